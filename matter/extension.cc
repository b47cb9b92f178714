#include "matter/extension.h"

#include "base/refusal.h"

namespace assay::matter {

absl::StatusOr<Extension> ReadExtension(DerReader& list) {
  absl::StatusOr<DerReader> fields = list.Enter(kDerSequence);
  if (!fields.ok()) return fields.status();
  Extension extension;
  absl::StatusOr<ByteView> oid = fields->Expect(kDerOid);
  if (!oid.ok()) return oid.status();
  extension.oid = *oid;
  if (fields->PeekTag() == kDerBoolean) {
    absl::StatusOr<bool> critical = fields->ReadBoolean();
    if (!critical.ok()) return critical.status();
    extension.critical = *critical;
  }
  absl::StatusOr<ByteView> value = fields->Expect(kDerOctetString);
  if (!value.ok()) return value.status();
  extension.value = *value;
  ASSAY_RETURN_IF_ERROR(fields->Finish());
  return extension;
}

}  // namespace assay::matter
