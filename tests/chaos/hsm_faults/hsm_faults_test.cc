// assayd under load, its HSM struck by each fault in turn: no wrong, double or lost identity, and
// recovery without a restart.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "assay/v1/audit.grpc.pb.h"
#include "tests/chaos/hsm_faults/assayd_process.h"
#include "tests/chaos/hsm_faults/issuing_load.h"
#include "tests/integration/office.h"
#include "tests/support/fault_list.h"
#include "tests/support/softhsm_fixture.h"

namespace assay::chaos {
namespace {

using integration::Context;
using integration::kAuditor;
using integration::kLine;
using integration::Office;
using std::chrono::milliseconds;
using test_support::FaultList;
using test_support::SoftHsm;
using Steady = IssuingLoad::Steady;

constexpr char kLot[] = "struck";
constexpr int kLines = 6;
// Nothing is that slow; a test that waits so long has failed.
constexpr std::chrono::minutes kLongest{1};

milliseconds Hold() {
  const char* text = std::getenv("ASSAY_CHAOS_HOLD_MS");
  return milliseconds(text != nullptr ? std::atoi(text) : 1000);
}

struct Fault {
  std::string name;
  std::string faults;                 // for the fault module
  std::string fault_class;            // in the metric and the log; empty: neither tells
  std::string ckr = "none";           // its name in the metric
  bool heals_inside = false;          // no line notices
  std::function<void()> strike = {};  // beside the fault list
  std::function<void()> relieve = {};
};

// The office's daemon ended, its configuration run by the program, over the fault module.
class Struck {
 public:
  explicit Struck(const std::string& failover = "") {
    Office& office = Office::Shared();
    office.OpenLot(kLot, office.Light(), 1'000'000);
    office.Stop();
    faults_.emplace(office.folder());
    std::ifstream file(office.config_path());
    std::string config{std::istreambuf_iterator<char>(file), {}};
    const auto change = [&](const std::string& from, const std::string& to) {
      const size_t at = config.find(from);
      ASSERT_NE(at, std::string::npos) << from;
      config.replace(at, from.size(), to);
    };
    change("listen: localhost:0", "listen: localhost:PORT");
    change("metrics: {listen: '127.0.0.1:0'}", "metrics: {listen: '127.0.0.1:METRICS_PORT'}");
    change("module: " + SoftHsm::ModulePath(),
           "module: " + FaultList::ModulePath(ASSAY_BINARY_DIR) + "\n  signer_threads: 2\n" +
               failover);
    change("log: {level: error}", "log: {level: info}");
    assayd_.emplace(ASSAY_BINARY_DIR "/bin/assayd", office.folder().string(), config);
  }
  ~Struck() {
    faults_->Clear();
    assayd_.reset();
    faults_.reset();
  }

  FaultList& faults() { return *faults_; }
  AssaydProcess& assayd() { return *assayd_; }
  std::shared_ptr<grpc::Channel> ChannelAs(const std::string& uri) {
    grpc::SslCredentialsOptions options;
    const auto identity = Office::Shared().pki().Client(uri);
    options.pem_root_certs = Office::Shared().pki().ca();
    options.pem_private_key = identity.key;
    options.pem_cert_chain = identity.certificate;
    return grpc::CreateChannel("localhost:" + std::to_string(assayd_->port()),
                               grpc::SslCredentials(options));
  }

 private:
  std::optional<FaultList> faults_;
  std::optional<AssaydProcess> assayd_;
};

bool SignedBy(const std::string& certificate, const std::string& issuer) {
  const auto read = [](const std::string& der) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    return d2i_X509(nullptr, &bytes, static_cast<long>(der.size()));
  };
  X509* const leaf = read(certificate);
  X509* const above = read(issuer);
  const bool good =
      leaf != nullptr && above != nullptr && X509_verify(leaf, X509_get0_pubkey(above)) == 1;
  X509_free(leaf);
  X509_free(above);
  return good;
}

// None wrong, none double, none lost: what the lines were given is what the service holds.
void CheckEveryIdentity(Struck& struck, const IssuingLoad& load) {
  std::set<std::string> devices, serials;
  const auto line = v1::IssuanceService::NewStub(struck.ChannelAs(kLine));
  for (const auto& [ticket, identity] : load.given()) {
    EXPECT_TRUE(SignedBy(identity.dac(), identity.pai())) << ticket;
    EXPECT_TRUE(devices.insert(identity.device_id()).second) << ticket;
    EXPECT_TRUE(serials.insert(identity.dac_serial()).second) << ticket;
    v1::GetSealedRequest request;
    request.set_lot(kLot);
    request.set_ticket(ticket);
    v1::IssueResponse sealed;
    const grpc::Status status = line->GetSealed(Context().get(), request, &sealed);
    ASSERT_TRUE(status.ok()) << ticket << ": " << status.error_message();
    EXPECT_EQ(sealed.identity().SerializeAsString(), identity.SerializeAsString()) << ticket;
  }
  const auto audit = v1::AuditService::NewStub(struck.ChannelAs(kAuditor));
  v1::ListDevicesRequest request;
  request.mutable_filter()->set_lot(kLot);
  request.set_page_size(1000);
  size_t rows = 0;
  do {
    v1::ListDevicesResponse page;
    ASSERT_TRUE(audit->ListDevices(Context().get(), request, &page).ok());
    for (const v1::ManifestRow& row : page.rows()) {
      EXPECT_TRUE(load.given().contains(row.ticket())) << row.ticket() << " was given to nobody";
      ++rows;
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(rows, load.given().size());
}

int Total(const std::map<std::string, int>& counts) {
  int total = 0;
  for (const auto& [unused, count] : counts) total += count;
  return total;
}

void Await(const std::function<bool()>& condition, const std::string& what) {
  const auto until = Steady::now() + kLongest;
  while (!condition()) {
    ASSERT_LT(Steady::now(), until) << what;
    std::this_thread::sleep_for(milliseconds(10));
  }
}

std::vector<Fault> EveryFault(SoftHsm& hsm) {
  // Finalize and Initialize log out for certain; a PIN is asked for only then.
  const std::string out = "C_SignInit always return 0x190\n";
  const auto wrong_pin = [&hsm](const char* pin) { return [&hsm, pin] { hsm.WritePin(pin); }; };
  const auto right_pin = [&hsm] { hsm.WritePin(hsm.pin()); };
  const std::string lost = "C_SignInit 1 return 0xB3\n";  // CKR_SESSION_HANDLE_INVALID
  const std::string key = "C_SignInit 1 return 0x60\n";   // CKR_KEY_HANDLE_INVALID
  return {
      {"sessions closed, once", lost, "session", "CKR_SESSION_HANDLE_INVALID", true},
      {"sessions closed, again and again", "C_SignInit always return 0xB3", "session",
       "CKR_SESSION_HANDLE_INVALID"},
      {"token logged out", "C_SignInit 1 return 0x101", "login", "CKR_USER_NOT_LOGGED_IN", true},
      {"module not initialized", "C_SignInit 1 return 0x190", "device",
       "CKR_CRYPTOKI_NOT_INITIALIZED", true},
      {"token removed and back",
       "C_SignInit always return 0x32\nC_OpenSession always return 0xE0\n"
       "C_GetTokenInfo always return 0xE1",
       "device", "CKR_DEVICE_REMOVED"},
      {"the token's store away and back", "", "", "", false, [&hsm] { hsm.TakeStoreAway(); },
       [&hsm] { hsm.GiveStoreBack(); }},
      {"PIN wrong", out, "pin", "CKR_PIN_INCORRECT", false, wrong_pin("000000"), right_pin},
      {"PIN locked", out + "C_Login always return 0xA4", "pin_locked", "CKR_PIN_LOCKED", false,
       wrong_pin("999999"), right_pin},
      {"key missing", key + "C_FindObjects always empty", "key_missing"},
      {"key duplicated", key + "C_FindObjects always twice", "key_unfit"},
      {"key drifted", key + "C_GetAttributeValue always extractable", "key_unfit"},
      {"one call hangs", "C_Sign 5 hang", "hang"},
      {"every call hangs", "C_Sign always hang", "hang"},
      {"slow: 100 ms a signature", "C_Sign always delay 100", "", "", true},
      {"session limit", lost + "C_OpenSession always return 0xB1", "busy", "CKR_SESSION_COUNT"},
      {"device error", "C_Sign always return 0x30", "transient", "CKR_DEVICE_ERROR"},
      {"wrong signature", "C_Sign always garbage", "wrong_signature"},
  };
}

// Strikes, waits until the fault is told and has stayed, relieves, and waits until every line
// issues again. A row of the table.
std::string StrikeWith(const Fault& fault, Struck& struck, IssuingLoad& load) {
  SCOPED_TRACE(fault.name);
  AssaydProcess& assayd = struck.assayd();
  const std::string label = absl::StrCat("class=\"", fault.fault_class, "\"");
  const std::string ckr = absl::StrCat("ckr=\"", fault.ckr, "\"");
  const auto told = [&] {
    return fault.fault_class.empty() ? 0.0 : assayd.Sum("assay_hsm_faults_total", label);
  };
  Steady::time_point first, last;
  EXPECT_TRUE(load.AwaitEachLine(Steady::now(), kLongest, first, last)) << "before";
  const double told_before = told();
  const int refused_before = Total(load.Refused());
  if (fault.strike) fault.strike();
  struck.faults().Use(fault.faults);
  const auto struck_at = Steady::now();
  if (!fault.fault_class.empty()) {
    Await([&] { return told() > told_before; }, "the metric of class " + fault.fault_class);
    EXPECT_THAT(assayd.Get("/metrics"), testing::HasSubstr(ckr));
    Await([&] { return assayd.LogLines("\"hsm_fault\"", "\"" + fault.fault_class + "\"") > 0; },
          "the log line");
  }
  if (!fault.heals_inside) {
    Await([&] { return Total(load.Refused()) > refused_before || fault.name == "one call hangs"; },
          "a line that notices");
  }
  Await([&] { return Steady::now() - struck_at > Hold(); }, "the hold");
  if (fault.fault_class == "pin" || fault.fault_class == "pin_locked") {
    EXPECT_EQ(struck.faults().Calls("C_Login"), 1u) << "one attempt, then hold";
  }
  struck.faults().Clear();
  if (fault.relieve) fault.relieve();
  const auto relieved = Steady::now();
  EXPECT_TRUE(load.AwaitEachLine(relieved, kLongest, first, last)) << "after";
  Await([&] { return assayd.Ready(); }, "ready");
  EXPECT_TRUE(assayd.Alive());
  const int refused = Total(load.Refused()) - refused_before;
  if (fault.heals_inside) {
    EXPECT_EQ(refused, 0) << fault.name;
  }
  const auto ms = [&](Steady::time_point at) {
    return std::chrono::duration_cast<milliseconds>(at - relieved).count();
  };
  return absl::StrFormat("%-34s %-16s %-28s %8d %10d %10d\n", fault.name,
                         fault.fault_class.empty() ? "-" : fault.fault_class,
                         fault.ckr.empty() ? "-" : fault.ckr, refused, ms(first), ms(last));
}

TEST(HsmFaults, EveryFaultIsSurvivedUnderLoadWithoutARestart) {
  if (!SoftHsm::Installed()) GTEST_SKIP() << "SKIPPED: SoftHSM2 is not installed";
  Struck struck;
  IssuingLoad load(struck.ChannelAs(kLine), kLot, kLines);
  std::string table = absl::StrFormat("%-34s %-16s %-28s %8s %10s %10s\n", "fault", "class", "CKR",
                                      "refused", "first, ms", "all, ms");
  const char* const only = std::getenv("ASSAY_CHAOS_ONLY");
  for (const Fault& fault : EveryFault(Office::Shared().hsm())) {
    if (only != nullptr && fault.name.find(only) == std::string::npos) continue;
    table += StrikeWith(fault, struck, load);
    if (HasFatalFailure()) break;
  }
  load.Stop();
  CheckEveryIdentity(struck, load);
  std::string refusals;
  for (const auto& [reason, count] : load.Refused())
    absl::StrAppend(&refusals, " ", reason, " ", count);
  std::cout << "\nRefused while the fault lasts, and the time from its end to the first identity "
               "and until every line issues again:\n\n"
            << table << "\n"
            << load.given().size() << " identities, each checked; refusals:" << refusals << "\n";
}

TEST(HsmFailover, ASecondTokenWithTheSameKeysTakesOverAndGivesBack) {
  if (!SoftHsm::Installed()) GTEST_SKIP() << "SKIPPED: SoftHSM2 is not installed";
  // The same token through a copy of the module, which knows nothing of the first one's state.
  Office& office = Office::Shared();
  const auto second = office.folder() / "second_module.so";
  std::filesystem::copy_file(std::filesystem::canonical(SoftHsm::ModulePath()), second);
  Struck struck(absl::StrCat("  failover:\n    - {module: ", second.string(),
                             ", token_label: assay, pin_file: ", office.hsm().pin_file(), "}\n"));
  IssuingLoad load(struck.ChannelAs(kLine), kLot, kLines);
  Steady::time_point first, last;
  ASSERT_TRUE(load.AwaitEachLine(Steady::now(), kLongest, first, last));
  EXPECT_EQ(struck.assayd().Sum("assay_hsm_serving_token"), 0);
  struck.faults().Use("C_SignInit always return 0x32\nC_OpenSession always return 0xE0");
  const auto struck_at = Steady::now();
  ASSERT_TRUE(load.AwaitEachLine(struck_at, kLongest, first, last));
  Await([&] { return struck.assayd().Sum("assay_hsm_serving_token") == 1; }, "the second serves");
  const auto over = std::chrono::duration_cast<milliseconds>(last - struck_at).count();
  struck.faults().Clear();
  const auto relieved = Steady::now();
  Await([&] { return struck.assayd().Sum("assay_hsm_serving_token") == 0; }, "the first serves");
  ASSERT_TRUE(load.AwaitEachLine(relieved, kLongest, first, last));
  EXPECT_TRUE(struck.assayd().Alive());
  load.Stop();
  CheckEveryIdentity(struck, load);
  std::cout << "taken over for every line within " << over << " ms; refused "
            << Total(load.Refused()) << " times; " << load.given().size() << " identities\n";
}

}  // namespace
}  // namespace assay::chaos
