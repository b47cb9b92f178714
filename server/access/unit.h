// Who may see a unit. One made in two lots is seen by whoever is granted either of them.
#pragma once

#include "db/store.h"
#include "server/access/caller.h"

namespace assay::access {

// `unit` as db::Store::FindDevice gives it. LOT_NOT_GRANTED where no row of it is granted.
inline absl::Status CheckUnit(const Caller& caller, const db::ManifestRow& unit) {
  const absl::Status granted = caller.CheckLot(unit.factory, unit.lot);
  for (const db::ManifestRow& stage : unit.stages) {
    if (granted.ok()) break;
    if (caller.CheckLot(stage.factory, stage.lot).ok()) return absl::OkStatus();
  }
  return granted;
}

}  // namespace assay::access
