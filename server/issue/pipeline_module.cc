// The second stage of a unit that was made in two lots: the module an earlier lot issued is found
// by its certificate before anything is claimed.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "assay/v1/catalog.pb.h"
#include "base/refusal.h"
#include "server/issue/pipeline_impl.h"

namespace assay::issue {
namespace {

struct Name {
  const char* field;
  std::string value;
};

Name NameOf(const v1::ModuleRef& module) {
  if (module.has_dac_serial()) {
    return {"module.dac_serial", ToUpperHex(AsBytes(module.dac_serial()))};
  }
  return {"module.common_name", module.common_name()};
}

absl::Status Unfit(const Name& name, absl::string_view rule) {
  return RefuseField(Reason::MODULE_UNFIT, name.field, name.value, rule);
}

absl::StatusOr<db::ManifestRow> Look(db::Store& store, const v1::ModuleRef& module) {
  if (!module.has_dac_serial()) return store.FindDevice(module.common_name());
  ByteView serial = AsBytes(module.dac_serial());
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  return store.FindDeviceByDacSerial(serial);
}

std::string Ids(uint32_t vendor_id, uint32_t product_id) {
  return absl::StrFormat("vendor 0x%04X and product 0x%04X", vendor_id, product_id);
}

absl::Status CheckModule(const Name& name, const db::ManifestRow& module, const lot::LotPlan& plan,
                         const v1::ProductSpec& made) {
  if (!module.stages.empty()) {
    return RefuseField(
        Reason::MODULE_COMPLETED, name.field, name.value,
        absl::StrCat("was completed in lot ", module.stages.front().lot, " by another ticket"));
  }
  if (module.dac.empty()) return Unfit(name, "was issued without a certificate");
  if (module.state == static_cast<int>(db::DeviceState::kScrapped)) {
    return Unfit(name, "was scrapped");
  }
  if (module.state == static_cast<int>(db::DeviceState::kRevoked)) {
    return Unfit(name, "was revoked");
  }
  if (module.vendor_id != plan.lot.vendor_id || module.product_id != plan.lot.product_id) {
    return Unfit(name,
                 absl::StrCat("was issued for ", Ids(module.vendor_id, module.product_id),
                              ", this lot is of ", Ids(plan.lot.vendor_id, plan.lot.product_id)));
  }
  if (!made.image().no_factory_image()) {
    return Unfit(name, "has its factory image from the lot that issued it");
  }
  if (made.image().secure_cert().commissioning()) {
    return Unfit(name, "holds its passcode's verifier already, in the secure cert");
  }
  if (made.image().secure_cert().rotating_id() && plan.spec.rotating_id().enabled()) {
    return Unfit(name, "holds its rotating id already, in the secure cert");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Pipeline::Impl::FindModule(Work& work) {
  if (!work.request.has_module()) return absl::OkStatus();
  const Name name = NameOf(work.request.module());
  auto module = Look(*store_, work.request.module());
  if (!module.ok() && !HasReason(module.status(), Reason::DEVICE_UNKNOWN)) return module.status();
  // One answer for a module that is not there and for one of a lot that is not granted, so that
  // nobody learns of another factory's units.
  if (!module.ok() || !work.caller.CheckLot(module->factory, module->lot).ok()) {
    return RefuseField(
        Reason::DEVICE_UNKNOWN, name.field, name.value,
        absl::StrCat("no module of the lots and factories granted to this caller has it",
                     work.request.module().has_dac_serial()
                         ? ""
                         : "; one whose DAC was made elsewhere is found by the DAC's "
                           "serial number"));
  }
  const auto lot = store_->FindLot(module->lot);
  if (!lot.ok()) return lot.status();
  v1::ProductSpec made;
  if (!made.ParseFromArray(lot->spec.data(), static_cast<int>(lot->spec.size()))) {
    return Refuse(Reason::INTERNAL, "the module's product cannot be read");
  }
  ASSAY_RETURN_IF_ERROR(CheckModule(name, *module, *work.plan, made));
  work.module = *std::move(module);
  return absl::OkStatus();
}

}  // namespace assay::issue
