// What no two units of one product may share: passcode with discriminator, which together are a
// label, and the rotating id. The store compares digests under the product's key.
#pragma once

#include "absl/status/status.h"
#include "db/store.h"
#include "server/issue/work.h"

namespace assay::issue {

// A sandbox lets a unit be made again under its serial number, and any number of units have the
// SDK's test passcode, which production never takes.
void FillUnitValues(const Work& work, bool production, db::Intent& intent);

// Whether the store's VALUE_TAKEN concerns a value that was drawn here and may be drawn again.
bool MayDrawAgain(const Work& work, const absl::Status& taken);

// What the store refused an intent for, in the request's terms: the paths of its fields, the name
// of its lot, and no value that is secret.
absl::Status InRequest(const Work& work, const absl::Status& refused);

}  // namespace assay::issue
