// A line and an auditor of the shared Office, and the checker on its database.
#pragma once

#include <string>
#include <vector>

#include "fsck/check.h"
#include "fsck/settings.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"

namespace assay::integration {

// A folder of its own that is gone with it.
class Folder {
 public:
  Folder();
  ~Folder();
  std::string Path(const std::string& name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class Station {
 public:
  explicit Station(Office& office) : office_(office) {}

  // The ticket's identity; fails the test where it is refused.
  v1::Identity Issue(const std::string& lot, const std::string& ticket);
  void Confirm(const std::string& lot, const std::string& ticket, v1::Outcome outcome);
  void Revoke(const std::string& device_id);
  // Until every entry is under a checkpoint.
  void AwaitLedger();
  // The reason in the refusal of a ticket; empty where it was answered.
  std::string ReasonFor(const std::string& lot, const std::string& ticket);

  // `assay` as the auditor and line of the office would type it; its exit code.
  int Run(const Folder& folder, const std::string& line);
  const std::string& printed() const { return printed_; }
  const std::string& said() const { return said_; }

  // The checker on the database of that DSN (empty: the office's own).
  fsck::Settings SettingsFor(const std::string& dsn = "") const;
  fsck::Report Check(fsck::Findings& findings, const std::string& dsn = "", bool deep = false);

 private:
  Office& office_;
  std::string printed_, said_;
};

// "name subject: what" a line; empty where all is well.
std::string TextOf(const fsck::Findings& findings);

}  // namespace assay::integration
