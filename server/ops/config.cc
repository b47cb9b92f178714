#include "server/ops/config.h"

#include <ios>
#include <map>
#include <set>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/refusal.h"
#include "server/ops/config_reader.h"

namespace assay::ops {
namespace {

// Empty where `text` is host:port (0: any free one).
std::string AddressProblem(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return "must be host:port";
  if (text.front() != '[' && text.find(':') != colon) {
    return "must be host:port, an IPv6 address in brackets: [::1]:7443";
  }
  int port = 0;
  const std::string digits = text.substr(colon + 1);
  const bool number = absl::c_all_of(digits, absl::ascii_isdigit);
  if (!number || !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return absl::StrCat("the port must be a number of 0 to 65535 (got \"", digits, "\")");
  }
  return "";
}

// What Reload cannot change: all but grants, limits of calls, log level and the content of the TLS
// files.
std::string FixedParts(const YAML::Node& document) {
  std::string text;
  for (const auto& entry : document) {
    const std::string key = entry.first.Scalar();
    if (key == "limits" && entry.second.IsMap()) {
      for (const auto& limit : entry.second) {
        const std::string name = limit.first.Scalar();
        if (name == "default_deadline" || name == "least_deadline" || name == "stream_in_flight" ||
            name == "line_rate" || name == "line_burst" || name == "line_in_flight" ||
            name == "lot_in_flight")
          continue;
        text += absl::StrCat("limits.", name, ": ", YAML::Dump(limit.second), "\n");
      }
    } else if (key != "grants" && key != "log") {
      text += absl::StrCat(key, ": ", YAML::Dump(entry.second), "\n");
    }
  }
  return text;
}

}  // namespace

void CheckAddress(Section& section, const std::string& address) {
  if (const std::string problem = AddressProblem(address); !problem.empty()) {
    section.Complain("listen", problem);
  }
}

Config ConfigReader::Read(const YAML::Node& document) {
  Section top(document, "", problems_, asked_);
  ReadMode(top);
  config_.listen = top.Text("listen");
  if (!config_.listen.empty()) CheckAddress(top, config_.listen);
  ReadTlsSection(top.Sub("tls", true));
  ReadMetrics(top.Sub("metrics", false));
  ReadHsm(top.Sub("hsm", true));
  ReadDatabase(top.Sub("database", true));
  ReadGrants(top);
  ReadTrust(top.Sub("trust", false));
  ReadSandbox(top);
  ReadRevocation(top.Sub("revocation", false));
  ReadApproval(top.Sub("approval", false));
  ReadLimits(top.Sub("limits", false));
  ReadLog(top.Sub("log", false));
  top.Finish();
  CheckTogether();
  return std::move(config_);
}

void ConfigReader::ReadMode(Section& top) {
  const std::string mode = top.Text("mode");
  config_.production = mode == "production";
  if (!mode.empty() && mode != "production" && mode != "sandbox") {
    top.Complain("mode", "must be sandbox or production");
  }
}

void ConfigReader::ReadMetrics(Section section) {
  config_.metrics_listen = section.Text("listen", config_.metrics_listen);
  if (config_.metrics_listen != "off") CheckAddress(section, config_.metrics_listen);
  section.Finish();
}

void ConfigReader::ReadLog(Section section) {
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warning", LogLevel::kWarning},
                                                  {"error", LogLevel::kError}};
  const auto level = levels.find(section.Text("level", "info"));
  if (level == levels.end()) {
    section.Complain("level", "must be debug, info, warning or error");
  } else {
    config_.log_level = level->second;
  }
  section.Finish();
}

absl::StatusOr<Config> LoadConfig(const std::string& path, ConfigUse use, absl::Time now,
                                  const ConfigProbes& probes) {
  Problems problems;
  try {
    const YAML::Node document = YAML::LoadFile(path);
    Config config = ConfigReader(path, use, now, probes, problems).Read(document);
    if (document.IsMap()) config.fixed_parts = FixedParts(document);
    if (problems.empty()) return config;
  } catch (const YAML::BadFile&) {
    problems = {absl::StrCat(path, ": the file cannot be read")};
  } catch (const std::ios_base::failure&) {
    problems = {absl::StrCat(path, ": is no file that can be read to its end")};
  } catch (const YAML::Exception& error) {
    problems = {absl::StrCat(path, ": line ", error.mark.line + 1, ": ", error.msg)};
  }
  return Refuse(Reason::FIELD_MALFORMED, absl::StrJoin(problems, "\n"));
}

std::vector<std::string> ConfigKeys() {
  Problems problems;
  std::set<std::string> asked;
  const ConfigProbes probes;
  // One of each list, so that it is asked for what it holds.
  const YAML::Node document = YAML::Load("{grants: [{}], hsm: {failover: [{}]}}");
  ConfigReader("", ConfigUse::kMigrate, absl::UnixEpoch(), probes, problems, &asked).Read(document);
  std::vector<std::string> keys;
  for (const std::string& path : asked) {
    const auto holds = [&](const std::string& other) {
      return other.starts_with(path + ".") || other.starts_with(path + "[");
    };
    if (absl::c_none_of(asked, holds)) keys.push_back(absl::StrReplaceAll(path, {{"[0]", "[]"}}));
  }
  return keys;
}

}  // namespace assay::ops
