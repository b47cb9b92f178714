#include "db/revocation_store.h"

#include <nlohmann/json.hpp>

namespace assay::db {
namespace {

// nlohmann's object keeps its keys in order.
std::string Canonical(const nlohmann::json& entry) {
  return entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string SweepEntry(std::string_view actor, std::string_view device_id, std::string_view lot,
                       int reason) {
  return Canonical({{"actor", actor},
                    {"device", device_id},
                    {"kind", kRevokeEntry},
                    {"lot", lot},
                    {"reason", reason}});
}

std::string VerifyEntry(const Verification& ended) {
  return Canonical({{"actor", ended.actor},
                    {"device", ended.device_id},
                    {"evidence_sha256", ToHex(ended.evidence.value_or(Sha256Digest{}))},
                    {"kind", kVerifyEntry},
                    {"line", ended.line},
                    {"passed", ended.passed},
                    {"result", ended.result},
                    {"verification", ended.id}});
}

std::string CrlEntry(const StoredCrl& crl) {
  return Canonical({{"crl_sha256", ToHex(Sha256(crl.der))},
                    {"entries", crl.entries},
                    {"issuer", crl.issuer},
                    {"kind", kCrlEntry},
                    {"number", crl.number},
                    {"part", crl.part}});
}

}  // namespace assay::db
