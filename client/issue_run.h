// A run of `assay issue` in one folder: which tickets it asks for, which devices it has, and how it
// goes on after being stopped anywhere. The tickets are fixed by run.json, which is on disk before
// the first request; a device is there when its folder is (renamed when whole), and known when its
// row is in manifest.csv. So a run that is started again asks for exactly what is missing, and the
// server answers a ticket it knows with the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/issuance.pb.h"
#include "base/random.h"
#include "client/files.h"
#include "client/text_record.h"

namespace assay::client {

// A ticket and what is asked for it. In RunOrder::units the ticket is without the run's prefix.
struct PlannedTicket {
  std::string ticket;
  Bytes csr;
  std::optional<v1::ModuleRef> module;
  std::optional<v1::GivenDac> given_dac;
  std::string serial_number;  // empty: drawn
};

struct RunOrder {
  std::string lot;
  uint64_t count = 0;         // tickets <prefix>000001 to <count>; ignored with csr_folder
  std::string ticket_prefix;  // empty: one drawn at the first start, so that two folders never
                              // share tickets
  std::string csr_folder;     // *.csr in DER or PEM; the ticket is the prefix and the file's name
  // Units that are listed one by one: "modules" or "given"; then count and csr_folder are ignored.
  std::string kind{};
  std::vector<PlannedTicket> units{};
};

// Not thread-safe. Holds the folder's lock for its lifetime.
class IssueRun {
 public:
  // Makes or opens the folder. FIELDS_CONTRADICT naming the option where the folder belongs to
  // another run (other lot, prefix, CSR folder or not); FIELD_OUT_OF_RANGE for a count of 0 or
  // above a million; what is refused is not recorded. Every CSR is read and checked, so that
  // nothing is issued where one is broken (CSR_* naming the file; PUBLIC_KEY_REUSED for a key in
  // two of them).
  static absl::StatusOr<IssueRun> Begin(const std::string& folder, const RunOrder& order,
                                        Random& random);

  const std::string& folder() const { return folder_; }
  const std::string& prefix() const { return prefix_; }
  uint64_t total() const { return total_; }
  size_t had() const { return had_; }  // devices that were there at the start
  // What is to be asked for, in order.
  const std::vector<PlannedTicket>& missing() const { return missing_; }
  // Tickets whose folder was complete but not in the manifest when the run began; their rows are in
  // it now. They may have missed their confirmation.
  const std::vector<std::string>& mended() const { return mended_; }

  // Writes the devices of a batch: folders under temporary names, one sync, renamed, rows appended
  // in one write.
  absl::Status Keep(const std::vector<v1::Identity>& identities, const v1::ProductSpec& spec);

 private:
  IssueRun(std::string folder, FolderLock lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}
  // What is to be recorded of a run that begins; empty for one that goes on.
  absl::StatusOr<TextRecord> Agree(const RunOrder& order, Random& random);
  absl::Status PlanTickets(const RunOrder& order, std::vector<PlannedTicket>& planned) const;
  absl::Status Mend(std::vector<PlannedTicket> planned);
  std::string RecordPath() const { return PathBelow(folder_, "run.json"); }
  std::string ManifestPath() const { return PathBelow(folder_, "manifest.csv"); }

  std::string folder_;
  FolderLock lock_;
  std::string prefix_;
  uint64_t total_ = 0;
  size_t had_ = 0;
  std::vector<PlannedTicket> missing_;
  std::vector<std::string> mended_;
};

}  // namespace assay::client
