#include "db/pg/revocation_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/revocation_entries.h"
#include "db/pg/revocation_statements.h"
#include "db/pg/store_impl.h"
#include "db/storable.h"

namespace assay::pg {
namespace {

constexpr int kConnections = 4;

absl::Status NoDevice(const std::string& device_id) {
  return RefuseField(Reason::DEVICE_UNKNOWN, "device_id", device_id, "no such device");
}

db::Verification VerificationAt(const Rows& rows) {
  db::Verification found;
  found.id = rows.Text(0, 0);
  found.device_id = rows.Text(0, 1);
  found.line = rows.Text(0, 2);
  found.actor = rows.Text(0, 3);
  found.nonce = rows.Blob(0, 4);
  found.challenge = rows.Blob(0, 5);
  found.expires_at = rows.Time(0, 6);
  found.expired = rows.Bool(0, 7);
  if (!rows.IsNull(0, 8)) found.evidence = rows.Digest(0, 8);
  found.result = static_cast<int>(rows.Int(0, 9));
  found.passed = !rows.IsNull(0, 10) && rows.Bool(0, 10);
  found.answer = rows.Blob(0, 11);
  return found;
}

db::CrlState StateAt(const Rows& rows) {
  db::CrlState state;
  if (rows.empty()) return state;
  state.entries = static_cast<uint64_t>(rows.Int(0, 0));
  state.number = static_cast<uint64_t>(rows.Int(0, 1));
  if (!rows.IsNull(0, 2)) state.signer = db::CrlSigner{rows.Text(0, 2), rows.Blob(0, 3)};
  return state;
}

class PgRevocationStore final : public db::RevocationStore {
 public:
  explicit PgRevocationStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::StatusOr<db::RevocationOutcome> RevokeDevice(const db::Act& act,
                                                     const std::string& device_id,
                                                     int reason) override {
    if (!db::Storable(device_id)) return NoDevice(device_id);
    return Revoke(
        act,
        [&](Transaction& transaction, bool fresh, db::RevocationOutcome& outcome) -> absl::Status {
          const Rows rows = transaction.Run(kFindDoomed, Params().Text(device_id));
          if (rows.empty()) return NoDevice(device_id);
          const Doomed device = DoomedAt(rows, 0);
          if (!device.dac_serial.empty()) outcome.issuer = device.pai;
          outcome.before = !fresh || device.revoked;
          if (!outcome.before) {
            outcome.revoked = RevokeWithin(transaction, {device}, reason, act.actor);
          }
          return absl::OkStatus();
        });
  }

  absl::StatusOr<db::RevocationOutcome> RevokeLot(const db::Act& act, const std::string& lot,
                                                  int reason) override {
    return Revoke(
        act,
        [&](Transaction& transaction, bool fresh, db::RevocationOutcome& outcome) -> absl::Status {
          const Rows held = transaction.Run(kHoldRevokedLot, Params().Text(lot));
          if (held.empty()) return RefuseField(Reason::LOT_UNKNOWN, "lot", lot, "no such lot");
          outcome.before =
              !fresh ||
              transaction.Run(kMarkLot, Params().Int(held.Int(0, 0)).Int(reason).Text(act.actor))
                      .affected() == 0;
          if (!outcome.before) {
            transaction.Run(kCloseRevokedLot, Params().Int(held.Int(0, 0)));
            transaction.Run(kClosedRevokedLot, Params().Int(held.Int(0, 0)));
          }
          return absl::OkStatus();
        });
  }

  absl::StatusOr<db::RevocationOutcome> RevokePai(const db::Act& act, const db::PaiEntry& entry,
                                                  int reason) override {
    return Revoke(
        act,
        [&](Transaction& transaction, bool fresh, db::RevocationOutcome& outcome) -> absl::Status {
          outcome.issuer = entry.issuer;
          outcome.before = !fresh;
          if (!fresh) return absl::OkStatus();
          if (transaction.Run(kRetirePai, Params().Text(entry.pai)).affected() == 0) {
            return RefuseField(Reason::PAI_UNKNOWN, "name", entry.pai, "no such PAI");
          }
          outcome.revoked =
              AddEntries(transaction, entry.issuer, {{entry.serial, entry.pai}}, reason, act.actor);
          outcome.before = outcome.revoked == 0;
          return absl::OkStatus();
        });
  }

  absl::StatusOr<uint64_t> SweepRevokedLots(const std::string& lot, int limit) override {
    uint64_t swept = 0;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
      swept = 0;
      const Rows lots = transaction.Run(kHoldSwept, Params().Text(lot));
      for (int i = 0; i < lots.size() && swept < static_cast<uint64_t>(limit); ++i) {
        swept += SweepOne(transaction, lots, i, limit - static_cast<int>(swept));
      }
      if (swept == 0) transaction.Discard();
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return swept;
  }

  absl::StatusOr<db::Standing> FindStanding(const std::string& device_id) override {
    if (!db::Storable(device_id)) return NoDevice(device_id);
    db::Standing standing;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) -> absl::Status {
      const Rows rows = session.Run(kStanding, Params().Text(device_id));
      if (rows.empty()) return NoDevice(device_id);
      standing = {rows.Bool(0, 0), rows.Bool(0, 1)};
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return standing;
  }

  absl::StatusOr<db::CrlState> FindCrlState(const std::string& issuer) override {
    db::CrlState state;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      state = StateAt(session.Run(kIssuerState, Params().Text(issuer)));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return state;
  }

  absl::StatusOr<db::CrlState> SetCrlSigner(const db::Act& act, const std::string& issuer,
                                            const db::CrlSigner& signer) override {
    db::CrlState state;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      const auto act_state = RecordAct(transaction, act);
      if (!act_state.ok()) return act_state.status();
      if (*act_state == ActState::kNew) {
        transaction.Run(kMakeIssuer, Params().Text(issuer));
        transaction.Run(kSetSigner,
                        Params().Text(issuer).Text(signer.key_label).Blob(signer.certificate));
        WriteActEntry(transaction, act);
      }
      state = StateAt(transaction.Run(kIssuerState, Params().Text(issuer)));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return state;
  }

  absl::StatusOr<db::CrlDraft> DraftCrl(const std::string& issuer, uint64_t floor, uint64_t first,
                                        uint64_t count) override {
    db::CrlDraft draft;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
      transaction.Run(kMakeIssuer, Params().Text(issuer));
      const db::CrlState state = StateAt(
          transaction.Run(kTakeNumber, Params().Text(issuer).Int(static_cast<int64_t>(floor))));
      draft.number = state.number;
      draft.entries_in_all = state.entries;
      draft.signer = state.signer;
      draft.entries.clear();
      const Rows rows = transaction.Run(
          kEntries,
          Params().Text(issuer).Int(static_cast<int64_t>(first)).Int(static_cast<int64_t>(count)));
      for (int i = 0; i < rows.size(); ++i) {
        draft.entries.push_back({static_cast<uint64_t>(rows.Int(i, 0)), rows.Blob(i, 1),
                                 rows.Text(i, 2), static_cast<int>(rows.Int(i, 3)),
                                 rows.Time(i, 4)});
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return draft;
  }

  absl::Status SaveCrl(const db::StoredCrl& crl) override {
    return Transact(pool_, [&](Transaction& transaction) {
      const Params params = Params()
                                .Text(crl.issuer)
                                .Int(crl.part)
                                .Int(static_cast<int64_t>(crl.number))
                                .Int(static_cast<int64_t>(crl.entries))
                                .Int(crl.parts)
                                .Int(absl::ToUnixMicros(crl.this_update))
                                .Int(absl::ToUnixMicros(crl.next_update))
                                .Blob(crl.der)
                                .Blob(crl.signer_certificate);
      if (transaction.Run(kSaveCrl, params).affected() == 0) {
        transaction.Discard();
      } else {
        transaction.Run(kNote, Params().Text(db::kCrlEntry).Text(db::CrlEntry(crl)));
      }
      return absl::OkStatus();
    });
  }

  absl::StatusOr<std::optional<db::StoredCrl>> FindCrl(const std::string& issuer,
                                                       uint32_t part) override {
    std::optional<db::StoredCrl> found;
    if (!db::Storable(issuer)) return found;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      const Rows rows = session.Run(kFindCrl, Params().Text(issuer).Int(part));
      found.reset();
      if (rows.empty()) return absl::OkStatus();
      found = db::StoredCrl{issuer,
                            part,
                            static_cast<uint64_t>(rows.Int(0, 0)),
                            static_cast<uint64_t>(rows.Int(0, 1)),
                            static_cast<uint32_t>(rows.Int(0, 2)),
                            rows.Time(0, 3),
                            rows.Time(0, 4),
                            rows.Blob(0, 5),
                            rows.Blob(0, 6)};
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }

  absl::StatusOr<db::Verification> BeginVerification(const db::Verification& begun,
                                                     std::chrono::seconds lifetime) override {
    db::Verification made = begun;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
      // What was begun for the device and never ended leaves with the next beginning.
      transaction.Run(kForgetExpired, Params().Text(begun.device_id));
      made.expires_at = transaction
                            .Run(kBegin, Params()
                                             .Text(begun.id)
                                             .Text(begun.device_id)
                                             .Text(begun.line)
                                             .Text(begun.actor)
                                             .Blob(begun.nonce)
                                             .Blob(begun.challenge)
                                             .Int(lifetime.count()))
                            .Time(0, 0);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return made;
  }

  absl::StatusOr<std::optional<db::Verification>> FindVerification(const std::string& id) override {
    std::optional<db::Verification> found;
    if (!db::Storable(id)) return found;
    const absl::Status status = Read(pool_, Use::kIssue, [&](Session& session) {
      const Rows rows = session.Run(kFindVerification, Params().Text(id));
      found.reset();
      if (!rows.empty()) found = VerificationAt(rows);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }

  absl::StatusOr<bool> EndVerification(const db::Verification& ended) override {
    bool done = false;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) {
      done = transaction
                 .Run(kEnd, Params()
                                .Text(ended.id)
                                .Blob(*ended.evidence)
                                .Int(ended.result)
                                .Int(ended.passed ? 1 : 0)
                                .Blob(ended.answer))
                 .affected() == 1;
      if (done) {
        transaction.Run(kNote, Params().Text(db::kVerifyEntry).Text(db::VerifyEntry(ended)));
      } else {
        transaction.Discard();
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return done;
  }

 private:
  // The act, its effect and its entry in one transaction; an effect that was there already writes
  // nothing.
  template <typename Body>
  absl::StatusOr<db::RevocationOutcome> Revoke(const db::Act& act, Body body) {
    db::RevocationOutcome outcome;
    const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
      outcome = {};
      const auto state = RecordAct(transaction, act);
      if (!state.ok()) return state.status();
      ASSAY_RETURN_IF_ERROR(body(transaction, *state == ActState::kNew, outcome));
      if (outcome.before) {
        transaction.Discard();
      } else {
        WriteActEntry(transaction, act);
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return outcome;
  }

  static uint64_t SweepOne(Transaction& transaction, const Rows& lots, int i, int limit) {
    const int64_t lot_id = lots.Int(i, 0);
    const int reason = static_cast<int>(lots.Int(i, 1));
    const std::string actor = lots.Text(i, 2);
    const int64_t after = std::max(lots.Int(i, 3), lot_id << 32);
    const Rows rows =
        transaction.Run(kOfLot, Params().Int(after).Int((lot_id + 1) << 32).Int(limit));
    if (rows.empty()) return 0;
    std::vector<Doomed> devices;
    std::vector<std::string> notes;
    for (int k = 0; k < rows.size(); ++k) {
      Doomed device = DoomedAt(rows, k);
      if (device.revoked) continue;
      notes.push_back(db::SweepEntry(actor, device.device_id, lots.Text(i, 4), reason));
      devices.push_back(std::move(device));
    }
    if (!devices.empty()) {
      RevokeWithin(transaction, devices, reason, actor);
      const std::vector<std::string_view> views(notes.begin(), notes.end());
      transaction.Run(kNotes, Params().Text(db::kRevokeEntry).Texts(views));
    }
    transaction.Run(kSwept, Params().Int(lot_id).Int(rows.Int(rows.size() - 1, 0)));
    return static_cast<uint64_t>(rows.size());
  }

  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
};

}  // namespace

std::shared_ptr<db::RevocationStore> OpenRevocationStore(PgOptions options) {
  options.pool_size = std::min(options.pool_size, kConnections);
  return std::make_shared<PgRevocationStore>(std::move(options));
}

}  // namespace assay::pg
