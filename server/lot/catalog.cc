#include "server/lot/catalog.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "server/lot/act.h"
#include "server/lot/lot_key.h"
#include "server/lot/plan.h"
#include "server/lot/product_spec.h"

namespace assay::lot {
namespace {

using access::Caller;
using access::Role;

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1000;
constexpr std::chrono::hours kDefaultRetention{24 * 30};
constexpr std::chrono::seconds kMaxRetention = std::chrono::hours(24 * 3650);

google::protobuf::Timestamp Timestamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  stamp.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(stamp.seconds()))));
  return stamp;
}

std::string ToJson(const v1::ProductSpec& spec) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(spec, &json, options).ok()) return "{}";
  return json;
}

absl::StatusOr<v1::Product> ToProto(const db::Product& record) {
  v1::Product product;
  product.set_name(record.name);
  product.set_revision(record.revision);
  if (!product.mutable_spec()->ParseFromArray(record.spec.data(),
                                              static_cast<int>(record.spec.size()))) {
    return Refuse(Reason::INTERNAL, absl::StrCat("product ", record.name, " cannot be read"));
  }
  *product.mutable_updated_at() = Timestamp(record.updated_at);
  return product;
}

absl::StatusOr<v1::Lot> ToProto(const db::Lot& record) {
  v1::Lot lot;
  lot.set_name(record.name);
  lot.set_product(record.product);
  lot.set_factory(record.factory);
  lot.set_count(record.count);
  lot.mutable_retention()->set_seconds(record.retention.count());
  lot.set_state(record.state == db::LotState::kOpen ? v1::LOT_STATE_OPEN : v1::LOT_STATE_CLOSED);
  lot.set_claimed(record.claimed);
  lot.set_sealed(record.sealed);
  lot.set_confirmed(record.confirmed);
  lot.set_scrapped(record.scrapped);
  *lot.mutable_opened_at() = Timestamp(record.opened_at);
  if (!lot.mutable_spec()->ParseFromArray(record.spec.data(),
                                          static_cast<int>(record.spec.size()))) {
    return Refuse(Reason::INTERNAL,
                  absl::StrCat("lot ", record.name, ": its product record cannot be read"));
  }
  return lot;
}

uint32_t PageSize(uint32_t asked) { return asked == 0 ? kDefaultPage : std::min(asked, kMaxPage); }

absl::StatusOr<uint64_t> CheckCount(uint64_t count) {
  if (count < 1 || count > 100'000'000) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(count),
                       "must be 1 to 100000000");
  }
  return count;
}

absl::StatusOr<std::chrono::seconds> Retention(const v1::OpenLotRequest& request) {
  if (!request.has_retention()) return std::chrono::seconds(kDefaultRetention);
  const auto seconds = ReadSeconds("retention", request.retention(), 60, kMaxRetention.count(),
                                   "must be one minute to ten years");
  if (!seconds.ok()) return seconds.status();
  return std::chrono::seconds(*seconds);
}

// A DAC that begins before its PAI or PAA chains for nobody, one that begins later is not valid
// yet: the date is kept as given or refused, never moved.
absl::Status CheckValidFrom(const v1::DacProfile& dac, const IssuingPai& pai, absl::Time now) {
  if (!dac.has_valid_from()) return absl::OkStatus();
  absl::Time earliest = pai.certificate.validity().not_before;
  if (pai.paa) earliest = std::max(earliest, pai.paa->validity().not_before);
  const absl::Time from = absl::FromUnixSeconds(dac.valid_from().seconds());
  if (from >= earliest && from <= now) return absl::OkStatus();
  const auto text = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
  };
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, "spec.dac.valid_from", text(from),
                     absl::StrCat("must lie between the beginning of PAI ", pai.name,
                                  " and its PAA, ", text(earliest), ", and now"));
}

// Both lines and operators may look at lots.
absl::Status CheckMaySeeLots(const Caller& caller) {
  if (caller.Has(Role::kOperator) || caller.Has(Role::kAuditor)) return absl::OkStatus();
  return caller.CheckRole(Role::kLine);
}

// An existing lot by the caller's grant; one that is not there looks like one that is not granted.
absl::StatusOr<db::Lot> FindGranted(db::Store& store, const Caller& caller,
                                    const std::string& name) {
  auto lot = store.FindLot(name);
  absl::Status granted;
  if (lot.ok()) {
    granted = caller.CheckLot(lot->factory, lot->name);
  } else if (HasReason(lot.status(), Reason::LOT_UNKNOWN)) {
    granted = caller.CheckLot("", name);
  }
  if (!granted.ok()) return granted;
  return lot;
}

}  // namespace

Catalog::Catalog(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
                 Random& random, const Clock& clock, CatalogOptions options)
    : store_(std::move(store)),
      token_(std::move(token)),
      random_(random),
      clock_(clock),
      options_(std::move(options)) {}

absl::Status Catalog::CheckDeclaration(const v1::ProductSpec& spec) {
  if (spec.certification_declaration().empty()) {
    if (options_.production && WantsDac(spec)) {
      return RefuseField(Reason::FIELD_REQUIRED, "spec.certification_declaration", "",
                         "production wants the declaration of every product that gets a DAC");
    }
    return absl::OkStatus();
  }
  const matter::CdTrust trust{&options_.cd_signers, !options_.production};
  const auto verified = matter::VerifyCd(AsBytes(spec.certification_declaration()), trust);
  if (!verified.ok()) return Within("spec.certification_declaration", verified.status());
  const DacIds ids = DacIdsOf(spec, verified->cd);
  matter::CdSubject subject;
  subject.basic_info_vid = static_cast<uint16_t>(spec.vendor_id());
  subject.basic_info_pid = static_cast<uint16_t>(spec.product_id());
  subject.dac_vid = subject.pai_vid = ids.vendor_id;
  subject.dac_pid = ids.product_id;
  const v1::Attestation attestation = spec.dac().attestation();
  bool has_pai = false;
  if (attestation == v1::ATTESTATION_SERVER_KEY || attestation == v1::ATTESTATION_CSR) {
    const auto pai = ChoosePai(*store_, spec.dac(), ids);
    has_pai = pai.ok();
    if (has_pai) {
      const auto pai_ids = pai->certificate.subject_ids();
      if (pai_ids.ok()) subject.pai_pid = pai_ids->pid;
      if (pai->paa && pai->paa->subject_key_id().size() == 20) {
        subject.paa_key_id.emplace();
        std::copy_n(pai->paa->subject_key_id().begin(), 20, subject.paa_key_id->begin());
      }
    }
  }
  if (has_pai || !verified->cd.authorized_paas) {
    return Within("spec.certification_declaration", matter::CheckCdCovers(verified->cd, subject));
  }
  // No PAI yet, and the declaration names PAAs: the rest is held against it now, the PAAs when a
  // lot opens.
  matter::CertificationDeclaration rest = verified->cd;
  rest.authorized_paas.reset();
  return Within("spec.certification_declaration", matter::CheckCdCovers(rest, subject));
}

absl::StatusOr<v1::Product> Catalog::ApplyProduct(const Caller& caller,
                                                  const v1::ApplyProductRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckName("name", request.name()));
  const auto act = MakeAct(caller, "product.apply", request.name(), request);
  if (!act.ok()) return act.status();
  const auto done = store_->WasDone(*act);
  if (!done.ok()) return done.status();
  if (*done) return FoundProduct(request.name());
  if (!request.has_spec()) {
    return RefuseField(Reason::FIELD_REQUIRED, "spec", "", "what the product is");
  }
  const v1::ProductSpec spec = WithDefaults(request.spec());
  ASSAY_RETURN_IF_ERROR(CheckProductSpec(spec, options_.production));
  ASSAY_RETURN_IF_ERROR(CheckDeclaration(spec));
  db::Product record;
  record.name = request.name();
  record.vendor_id = static_cast<uint16_t>(spec.vendor_id());
  record.product_id = static_cast<uint16_t>(spec.product_id());
  record.spec = ToBytes(AsBytes(Deterministic(spec)));
  record.spec_json = ToJson(spec);
  record.updated_at = clock_.Now();
  const auto applied = store_->ApplyProduct(*act, record);
  if (!applied.ok()) return applied.status();
  return ToProto(*applied);
}

absl::StatusOr<v1::Product> Catalog::GetProduct(const Caller& caller,
                                                const v1::GetProductRequest& request) {
  if (!caller.Has(Role::kAuditor)) ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckName("name", request.name()));
  return FoundProduct(request.name());
}

absl::StatusOr<v1::Product> Catalog::FoundProduct(const std::string& name) {
  const auto product = store_->FindProduct(name);
  if (!product.ok()) return product.status();
  return ToProto(*product);
}

absl::StatusOr<v1::ListProductsResponse> Catalog::ListProducts(
    const Caller& caller, const v1::ListProductsRequest& request) {
  if (!caller.Has(Role::kAuditor)) ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  const uint32_t size = PageSize(request.page_size());
  const auto products = store_->ListProducts(request.page_token(), static_cast<int>(size));
  if (!products.ok()) return products.status();
  v1::ListProductsResponse response;
  for (const db::Product& record : *products) {
    auto product = ToProto(record);
    if (!product.ok()) return product.status();
    *response.add_products() = *std::move(product);
  }
  if (products->size() == size) response.set_next_page_token(products->back().name);
  return response;
}

absl::Status Catalog::Ask(const Guard* guard, const Caller& caller,
                          const google::protobuf::Message& request, const GuardedEffect& effect,
                          db::Act& act) const {
  const Guard& asked = guard != nullptr ? *guard : options_.guard;
  return asked ? asked(caller, request, effect, act) : absl::OkStatus();
}

absl::StatusOr<std::string> Catalog::CheckIssuable(const v1::ProductSpec& spec) {
  ASSAY_RETURN_IF_ERROR(CheckProductSpec(spec, options_.production));
  ASSAY_RETURN_IF_ERROR(CheckDeclaration(spec));
  const v1::Attestation attestation = spec.dac().attestation();
  if (attestation != v1::ATTESTATION_SERVER_KEY && attestation != v1::ATTESTATION_CSR) {
    return "no DACs of ours";
  }
  std::optional<matter::CertificationDeclaration> cd;
  if (!spec.certification_declaration().empty()) {
    const auto envelope = matter::ParseCdEnvelope(AsBytes(spec.certification_declaration()));
    if (!envelope.ok()) return envelope.status();
    auto decoded = matter::DecodeCdContent(envelope->content);
    if (!decoded.ok()) return decoded.status();
    cd = *std::move(decoded);
  }
  const auto pai = ChoosePai(*store_, spec.dac(), DacIdsOf(spec, cd));
  if (!pai.ok()) return pai.status();
  const auto start = matter::ChooseDacNotBefore(clock_.Now(), absl::ZeroDuration(),
                                                pai->certificate, pai->paa ? &*pai->paa : nullptr);
  if (!start.ok()) return start.status();
  ASSAY_RETURN_IF_ERROR(CheckValidFrom(spec.dac(), *pai, clock_.Now()));
  return absl::StrCat("DACs by PAI ", pai->name);
}

absl::StatusOr<v1::Lot> Catalog::OpenLot(const Caller& caller, const v1::OpenLotRequest& request,
                                         const Guard* guard) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckName("name", request.name()));
  ASSAY_RETURN_IF_ERROR(CheckName("factory", request.factory()));
  ASSAY_RETURN_IF_ERROR(caller.CheckLot(request.factory(), request.name()));
  auto act = MakeAct(caller, "lot.open", request.name(), request);
  if (!act.ok()) return act.status();
  const auto done = store_->WasDone(*act);
  if (!done.ok()) return done.status();
  if (*done) {
    const auto lot = store_->FindLot(request.name());
    if (!lot.ok()) return lot.status();
    return ToProto(*lot);
  }
  const auto count = CheckCount(request.count());
  if (!count.ok()) return count.status();
  const auto retention = Retention(request);
  if (!retention.ok()) return retention.status();
  ASSAY_RETURN_IF_ERROR(CheckName("product", request.product()));
  const auto product = store_->FindProduct(request.product());
  if (!product.ok()) return product.status();
  v1::ProductSpec spec;
  if (!spec.ParseFromArray(product->spec.data(), static_cast<int>(product->spec.size()))) {
    return Refuse(Reason::INTERNAL, absl::StrCat("product ", product->name, " cannot be read"));
  }
  // Signers and PAIs may have changed since the product was registered.
  const auto signer = CheckIssuable(spec);
  if (!signer.ok()) return Blame("product", product->name, signer.status());
  // A lot that is there is answered or refused by the store, without an effect.
  const bool there = store_->FindLot(request.name()).ok();
  if (there && guard != nullptr) {
    return RefuseField(Reason::LOT_CONFLICT, "name", request.name(), "exists already");
  }
  if (!there) {
    const GuardedEffect effect{
        absl::StrFormat("open lot %s for factory %s: %d identities of product %s, revision %d "
                        "(VID 0x%04X, PID 0x%04X), %s, sealed images kept for %d hours",
                        request.name(), request.factory(), *count, product->name, product->revision,
                        product->vendor_id, product->product_id, *signer,
                        std::chrono::ceil<std::chrono::hours>(*retention).count()),
        request.factory()};
    ASSAY_RETURN_IF_ERROR(Ask(guard, caller, request, effect, *act));
  }
  db::Lot lot;
  lot.name = request.name();
  lot.product = product->name;
  lot.product_revision = product->revision;
  lot.spec = product->spec;
  lot.vendor_id = product->vendor_id;
  lot.product_id = product->product_id;
  lot.factory = request.factory();
  lot.count = *count;
  lot.retention = *retention;
  lot.opened_at = clock_.Now();
  LotKeys keys(token_, options_.wrapping_key);
  auto wrapped = keys.MakeWrapped(lot.name, random_);
  if (!wrapped.ok()) return wrapped.status();
  lot.wrapped_key = *std::move(wrapped);
  ASSAY_RETURN_IF_ERROR(keys.KeepProductKey(*store_, lot.vendor_id, lot.product_id, random_));
  const auto opened = store_->OpenLot(*act, lot);
  if (!opened.ok()) return opened.status();
  return ToProto(*opened);
}

absl::StatusOr<v1::Lot> Catalog::RaiseLot(const Caller& caller, const v1::RaiseLotRequest& request,
                                          const Guard* guard) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckName("name", request.name()));
  auto act = MakeAct(caller, "lot.raise", request.name(), request);
  if (!act.ok()) return act.status();
  const auto count = CheckCount(request.count());
  if (!count.ok()) return count.status();
  const auto before = FindGranted(*store_, caller, request.name());
  if (!before.ok()) return before.status();
  const bool can = before->state == db::LotState::kOpen && *count > before->count;
  if (guard != nullptr) {
    if (before->state != db::LotState::kOpen) {
      return RefuseField(Reason::LOT_NOT_OPEN, "name", before->name, "the lot is closed");
    }
    if (!can) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(*count),
                         absl::StrCat("a lot is only raised; its count is ", before->count));
    }
  }
  // What cannot be is refused by the store, without an effect; nobody need be asked.
  if (can) {
    const GuardedEffect effect{
        absl::StrCat("raise lot ", before->name, " (product ", before->product, ", factory ",
                     before->factory, ") from ", before->count, " to ", *count, " identities"),
        before->factory};
    ASSAY_RETURN_IF_ERROR(Ask(guard, caller, request, effect, *act));
  }
  const auto lot = store_->RaiseLot(*act, request.name(), *count);
  if (!lot.ok()) return lot.status();
  return ToProto(*lot);
}

absl::StatusOr<v1::Lot> Catalog::CloseLot(const Caller& caller,
                                          const v1::CloseLotRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckName("name", request.name()));
  const auto act = MakeAct(caller, "lot.close", request.name(), request);
  if (!act.ok()) return act.status();
  ASSAY_RETURN_IF_ERROR(FindGranted(*store_, caller, request.name()).status());
  const auto lot = store_->CloseLot(*act, request.name());
  if (!lot.ok()) return lot.status();
  return ToProto(*lot);
}

absl::StatusOr<v1::Lot> Catalog::GetLot(const Caller& caller, const v1::GetLotRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckMaySeeLots(caller));
  ASSAY_RETURN_IF_ERROR(CheckName("name", request.name()));
  const auto lot = FindGranted(*store_, caller, request.name());
  if (!lot.ok()) return lot.status();
  return ToProto(*lot);
}

absl::StatusOr<v1::ListLotsResponse> Catalog::ListLots(const Caller& caller,
                                                       const v1::ListLotsRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckMaySeeLots(caller));
  const uint32_t size = PageSize(request.page_size());
  v1::ListLotsResponse response;
  std::string after = request.page_token();
  while (true) {
    const auto lots =
        store_->ListLots(request.product(), request.factory(), after, static_cast<int>(size));
    if (!lots.ok()) return lots.status();
    for (const db::Lot& record : *lots) {
      if (!caller.CheckLot(record.factory, record.name).ok()) continue;
      auto lot = ToProto(record);
      if (!lot.ok()) return lot.status();
      *response.add_lots() = *std::move(lot);
      // The token is a name the caller has seen: it must not tell of others' lots.
      if (response.lots_size() == static_cast<int>(size)) {
        response.set_next_page_token(record.name);
        return response;
      }
    }
    if (lots->size() < size) return response;
    after = lots->back().name;
  }
}

}  // namespace assay::lot
