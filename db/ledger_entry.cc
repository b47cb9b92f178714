#include "db/ledger_entry.h"

#include <nlohmann/json.hpp>

namespace assay::db {

std::string ConfirmEntry(const Confirmation& confirmation, std::string_view device_id,
                         std::string_view lot) {
  // nlohmann's object keeps its keys in order.
  nlohmann::json entry = {
      {"actor", confirmation.actor},
      {"device", device_id},
      {"kind", kConfirmEntry},
      {"lot", lot},
      {"outcome", confirmation.outcome == DeviceState::kScrapped ? "scrapped" : "provisioned"},
      {"ticket", confirmation.ticket},
  };
  if (confirmation.outcome == DeviceState::kScrapped) {
    entry["returned"] = confirmation.return_quota;
    entry["revoke"] = confirmation.revoke;
  }
  return entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace assay::db
