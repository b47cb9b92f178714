#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/issue/reserve.h"
#include "server/ops/config_files.h"
#include "server/ops/config_reader.h"

namespace assay::ops {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

void ConfigReader::ReadGrants(Section& top) {
  std::vector<Section> sections = top.List("grants");
  if (sections.empty() && Serving()) top.Complain("grants", "nobody is granted anything");
  std::set<std::string> identities;
  int operators = 0;
  for (Section& section : sections) {
    access::Grant grant = ReadGrant(section);
    if (!identities.insert(grant.identity).second) {
      section.Complain("identity", "another grant names the same identity");
    }
    if (grant.roles.contains(access::Role::kOperator)) ++operators;
    config_.grants.push_back(std::move(grant));
  }
  if (config_.production && Serving() && operators < 2) {
    top.Complain("grants",
                 "production needs two operators at least, for acts that need a second person");
  }
}

access::Grant ConfigReader::ReadGrant(Section& section) {
  access::Grant grant;
  grant.identity = section.Text("identity");
  if (grant.identity.find(':') == std::string::npos && grant.identity != "*") {
    section.Complain("identity", "must be a URI, exact or with * as its last character");
  }
  const size_t star = grant.identity.find('*');
  if (star != std::string::npos && star + 1 != grant.identity.size()) {
    section.Complain("identity", "may have * as its last character only");
  }
  for (const std::string& name : section.Texts("roles")) {
    const auto role = access::RoleOf(name);
    if (role) {
      grant.roles.insert(*role);
    } else {
      section.Complain(
          "roles", absl::StrCat("\"", name, "\" is none of line, operator, auditor, codes, keys"));
    }
  }
  if (grant.roles.empty()) section.Complain("roles", "is missing");
  grant.line = section.Text("line", "");
  grant.factories = section.Texts("factories");
  grant.lots = section.Texts("lots");
  if (grant.factories.empty()) {
    if (grant.roles.contains(access::Role::kLine))
      section.Complain("factories", "is missing for a line");
    grant.factories = {"*"};
  }
  if (grant.lots.empty()) grant.lots = {"*"};
  section.Finish();
  return grant;
}

void ConfigReader::ReadTrust(Section section) {
  for (auto [key, certificates] : {std::pair{"paas", &config_.trust.paas},
                                   std::pair{"cd_signers", &config_.trust.cd_signers}}) {
    for (const std::string& name : section.Texts(key)) {
      Bytes der = ReadCertificate(section, key, Beside(path_, name), Serving());
      if (!der.empty()) certificates->push_back(std::move(der));
    }
  }
  section.Finish();
  if (config_.production && Serving()) {
    if (config_.trust.paas.empty()) section.Complain("paas", "production needs the PAAs it trusts");
    if (config_.trust.cd_signers.empty()) {
      section.Complain("cd_signers", "production needs the signers of certification declarations");
    }
  }
}

void ConfigReader::ReadSandbox(Section& top) {
  if (config_.production && top.Has("sandbox")) {
    top.Complain("sandbox", "is not allowed in production");
  }
  Section section = top.Sub("sandbox", !config_.production);
  SandboxConfig& sandbox = config_.sandbox;
  sandbox.paa_key = section.Text("paa_key", sandbox.paa_key);
  sandbox.cd_key = section.Text("cd_key", sandbox.cd_key);
  sandbox.paa_certificate_file = FileName(section, "paa_certificate", !config_.production);
  sandbox.cd_certificate_file = FileName(section, "cd_certificate", !config_.production);
  sandbox.paa_certificate =
      ReadCertificate(section, "paa_certificate", sandbox.paa_certificate_file, Serving());
  sandbox.cd_certificate =
      ReadCertificate(section, "cd_certificate", sandbox.cd_certificate_file, Serving());
  section.Finish();
}

void ConfigReader::ReadApproval(Section section) {
  ApprovalConfig& approval = config_.approval;
  const std::string required = section.Text("required", config_.production ? "true" : "false");
  approval.required = required == "true";
  if (required != "true" && required != "false") {
    section.Complain("required", "must be true or false");
  } else if (config_.production && !approval.required) {
    section.Complain("required", "cannot be false in production");
  }
  approval.lifetime = section.Duration("lifetime", approval.lifetime, seconds(60), hours(24 * 30));
  section.Finish();
}

void ConfigReader::ReadLimits(Section section) {
  LimitsConfig& limits = config_.limits;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const auto number = [&](const char* key, int& value, int least, int most) {
    value = static_cast<int>(section.Integer(key, value, least, most));
  };
  limits.crypto_threads = cores;
  number("max_in_flight", limits.max_in_flight, 1, 100'000);
  number("max_active", limits.max_active, 1, 100'000);
  int line_rate = 0;
  number("line_rate", line_rate, 0, 1'000'000);
  limits.fair.line_rate = line_rate;
  number("line_burst", limits.fair.line_burst, 0, 1'000'000);
  number("line_in_flight", limits.fair.line_in_flight, 0, 100'000);
  number("lot_in_flight", limits.fair.lot_in_flight, 0, 100'000);
  number("crypto_threads", limits.crypto_threads, 1, 1024);
  number("store_threads", limits.store_threads, 1, 256);
  number("max_batch", limits.max_batch, 1, 1024);
  number("reserve", limits.reserve, 0, issue::kMaxReserve);
  number("call_threads", limits.call_threads, 1, 256);
  number("call_queue", limits.call_queue, 1, 100'000);
  number("stream_in_flight", limits.calls.stream_in_flight, 1, 10'000);
  limits.calls.deadline.usual = section.Duration("default_deadline", limits.calls.deadline.usual,
                                                 milliseconds(100), hours(1));
  limits.calls.deadline.least =
      section.Duration("least_deadline", limits.calls.deadline.least, milliseconds(0), seconds(60));
  limits.lease = section.Duration("lease", limits.lease, seconds(2), hours(1));
  limits.drain = section.Duration("drain", limits.drain, milliseconds(0), hours(1));
  limits.drain_delay =
      section.Duration("drain_delay", limits.drain_delay, milliseconds(0), seconds(300));
  limits.health_interval =
      section.Duration("health_interval", limits.health_interval, milliseconds(50), seconds(300));
  section.Finish();
}

void ConfigReader::CheckTogether() {
  const auto complain = [&](absl::string_view path, absl::string_view rule) {
    problems_.push_back(absl::StrCat(path, ": ", rule));
  };
  std::map<std::string, std::string> listening;
  for (const auto& [path, address] :
       {std::pair{"listen", &config_.listen}, std::pair{"metrics.listen", &config_.metrics_listen},
        std::pair{"revocation.listen", &config_.revocation.listen}}) {
    if (address->empty() || *address == "off" || address->ends_with(":0")) continue;
    const auto [other, first] = listening.emplace(*address, path);
    if (!first) complain(path, absl::StrCat("is the address of ", other->second, " already"));
  }
  const HsmConfig& hsm = config_.hsm;
  std::map<std::string, std::string> labels;
  for (const auto& [path, label] : {std::pair{"hsm.keys.image", &hsm.image_key},
                                    std::pair{"hsm.keys.wrapping", &hsm.wrapping_key},
                                    std::pair{"hsm.keys.ledger", &hsm.ledger_key}}) {
    const auto [other, first] = labels.emplace(*label, path);
    if (!first) {
      complain(path,
               absl::StrCat("is the key of ", other->second, " already; each has one purpose"));
    }
  }
  if (hsm.sessions < hsm.signer_threads) {
    complain("hsm.sessions", absl::StrCat("must be as many as hsm.signer_threads at least, ",
                                          hsm.signer_threads, " (got ", hsm.sessions, ")"));
  }
  const LimitsConfig& limits = config_.limits;
  if (limits.calls.deadline.least >= limits.calls.deadline.usual) {
    complain("limits.least_deadline", "must be less than limits.default_deadline");
  }
  if (limits.fair.line_burst > 0 && limits.fair.line_rate == 0) {
    complain("limits.line_burst", "means nothing without limits.line_rate");
  }
}

}  // namespace assay::ops
