// One device's rows against its lot, its PAI and itself; signatures are gathered and checked in
// batches.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fsck/agreement.h"
#include "fsck/facts.h"
#include "fsck/finding.h"
#include "fsck/p256.h"

namespace assay::fsck {

struct DeviceRow {
  int64_t row = 0, attempt_id = 0;
  Sha256Digest dac_sha256{}, image_sha256{};
  Bytes dac, image_signature;
  bool has_attempt = false;
  int64_t lot_id = 0;
  std::string ticket, line, actor, device_id, serial_number, pai;
  Bytes dac_serial;
  Sha256Digest public_key_sha256{}, tbs_sha256{};
  bool live = false;
  int64_t module_attempt = 0;
  int64_t state = 1;  // 1 sealed to 4 revoked
  bool confirmed = false;
  bool is_sealed = false;  // its sealed identity is there
  absl::Time sealed_at;
  std::string recovered_from;  // empty: issued
  // Of a row that completes a module of an earlier lot: the module's, which are the unit's.
  std::string module_device_id, module_pai;
  Bytes module_serial;
  Sha256Digest module_dac_sha256{}, module_key_sha256{};

  const std::string& unit_id() const {
    return module_device_id.empty() ? device_id : module_device_id;
  }
};

// Selects what RowAt reads; ends before WHERE.
extern const std::string kDeviceSelect;
DeviceRow RowAt(const Rows& rows, int i);
// Rows above `after`, up to `last`, in order. Throws as Session does.
std::vector<DeviceRow> ReadDevices(Session& session, int64_t after, int64_t last);
// As the ledger's entry tells it.
IssueRecord RecordOf(const DeviceRow& row, const LotFacts& lot);

// Not thread-safe: one a thread.
class DeviceChecker {
 public:
  DeviceChecker(const Facts& facts, Findings& findings) : facts_(facts), findings_(findings) {}

  void Check(const DeviceRow& row);
  // Signatures of what was given since the last call.
  void Flush();

  const Tally& issued() const { return issued_; }
  const Tally& confirmed() const { return confirmed_; }
  const Tally& revoked() const { return revoked_; }
  uint64_t dacs() const { return dacs_; }
  uint64_t images() const { return images_; }
  uint64_t given() const { return given_; }

 private:
  void CheckDac(const DeviceRow& row, const LotFacts& lot);
  void CheckIssued(const DeviceRow& row, const LotFacts& lot, const matter::Certificate& dac);
  void CheckImage(const DeviceRow& row);
  void CheckSeal(const DeviceRow& row, const LotFacts& lot);
  void Add(Fault fault, const DeviceRow& row, std::string what);
  bool FitsIds(const LotFacts& lot, const matter::NameIds& ids);

  const Facts& facts_;
  Findings& findings_;
  Tally issued_, confirmed_, revoked_;
  uint64_t dacs_ = 0, images_ = 0, given_ = 0;
  struct Waiting {
    std::string device_id;
    Fault fault;
  };
  std::vector<SignatureCheck> checks_;
  std::vector<Waiting> waiting_;  // beside checks_
  std::map<int64_t, matter::NameIds> ids_;
};

}  // namespace assay::fsck
