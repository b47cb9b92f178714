#include "db/pg/revocation_entries.h"

#include <map>

#include "db/pg/revocation_statements.h"
#include "db/store.h"

namespace assay::pg {
namespace {

constexpr int64_t kRevoked = static_cast<int64_t>(db::DeviceState::kRevoked);

// The lists' form: no leading zeros.
ByteView Magnitude(ByteView serial) {
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  return serial;
}

}  // namespace

Doomed DoomedAt(const Rows& rows, int i) {
  return {rows.Int(i, 0),
          rows.Int(i, 1),
          rows.Int(i, 2),
          rows.Text(i, 3),
          rows.Blob(i, 4),
          rows.Text(i, 5),
          rows.Int(i, 6) == kRevoked};
}

uint64_t AddEntries(Transaction& transaction, const std::string& issuer,
                    const std::vector<Entry>& entries, int reason, const std::string& actor) {
  transaction.Run(kMakeIssuer, Params().Text(issuer));
  const Rows held = transaction.Run(kHoldIssuer, Params().Text(issuer));
  std::vector<ByteView> serials;
  std::vector<std::string_view> subjects;
  for (const Entry& entry : entries) {
    serials.push_back(Magnitude(entry.serial));
    subjects.push_back(entry.subject);
  }
  const int added = transaction
                        .Run(kAddEntries, Params()
                                              .Text(issuer)
                                              .Int(held.Int(0, 0))
                                              .Blobs(serials)
                                              .Texts(subjects)
                                              .Int(reason)
                                              .Text(actor))
                        .affected();
  transaction.Run(kCountEntries, Params().Text(issuer).Int(added));
  return static_cast<uint64_t>(added);
}

uint64_t RevokeWithin(Transaction& transaction, const std::vector<Doomed>& devices, int reason,
                      const std::string& actor) {
  std::vector<int64_t> rows, lots, attempts;
  std::map<std::string, std::vector<Entry>> by_issuer;
  for (const Doomed& device : devices) {
    rows.push_back(device.row);
    lots.push_back(device.lot_id);
    attempts.push_back(device.attempt_id);
    if (!device.dac_serial.empty()) {
      by_issuer[device.pai].push_back({device.dac_serial, device.device_id});
    }
  }
  transaction.Run(kRevokeRows, Params().Ints(rows).Text(actor));
  transaction.Run(kWipeRevoked, Params().Ints(lots).Ints(attempts));
  uint64_t added = 0;
  for (const auto& [issuer, entries] : by_issuer) {
    added += AddEntries(transaction, issuer, entries, reason, actor);
  }
  return added;
}

}  // namespace assay::pg
