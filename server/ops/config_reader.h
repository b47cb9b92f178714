// How a configuration is read: one method a section, in the order of the documentation's table.
#pragma once

#include <set>
#include <string>

#include "base/yaml/yaml_reader.h"
#include "server/ops/config.h"

namespace assay::ops {

// Reads one file's worth of sections; each Read... notes its problems and goes on.
class ConfigReader {
 public:
  // `probes` and `problems` must outlive the reader; `asked`, where given, gathers the keys' paths.
  ConfigReader(const std::string& path, ConfigUse use, absl::Time now, const ConfigProbes& probes,
               Problems& problems, std::set<std::string>* asked = nullptr)
      : path_(path), use_(use), now_(now), probes_(probes), problems_(problems), asked_(asked) {}

  Config Read(const YAML::Node& document);

 private:
  bool Serving() const { return use_ == ConfigUse::kServe; }
  std::string FileName(Section& section, const std::string& key, bool required);
  Bytes ReadCertificate(Section& section, const std::string& key, const std::string& file,
                        bool needed);
  // A secret comes from a file or from a variable of the environment, never from this file.
  void ReadSecretSource(Section& section, const std::string& name, bool required, bool needed,
                        std::string& file, std::string& variable);

  // config_leaves.cc: what the daemon is connected to.
  void ReadTlsSection(Section section);
  TokenPlace ReadTokenPlace(Section& section, bool needed);
  void ReadHsm(Section section);
  void ReadDatabase(Section section);
  void ReadRevocation(Section section);

  // config_rules.cc: who may do what, what is trusted, and how much of it.
  void ReadGrants(Section& top);
  access::Grant ReadGrant(Section& section);
  void ReadTrust(Section section);
  void ReadSandbox(Section& top);
  void ReadApproval(Section section);
  void ReadLimits(Section section);
  // What contradicts itself although each value is good.
  void CheckTogether();

  // config.cc
  void ReadMode(Section& top);
  void ReadMetrics(Section section);
  void ReadLog(Section section);

  const std::string path_;
  const ConfigUse use_;
  const absl::Time now_;
  const ConfigProbes& probes_;
  Problems& problems_;
  std::set<std::string>* const asked_;
  Config config_;
};

// Notes what keeps section.listen from being host:port (0: any free one).
void CheckAddress(Section& section, const std::string& address);

}  // namespace assay::ops
