#include "server/rpc/wipe_reply.h"

#include "base/secret.h"
#include "server/issue/wipe.h"

namespace assay::rpc {

void WipeReply(v1::IssueResponse& reply) {
  if (reply.has_identity()) issue::WipeIdentity(*reply.mutable_identity());
}

void WipeReply(v1::ManifestRow& reply) {
  reply.set_passcode(0);
  WipeText(*reply.mutable_qr_code());
  WipeText(*reply.mutable_manual_code());
  for (v1::ManifestRow& stage : *reply.mutable_stages()) WipeReply(stage);
}

void WipeReply(v1::ListDevicesResponse& reply) {
  for (v1::ManifestRow& row : *reply.mutable_rows()) WipeReply(row);
}

}  // namespace assay::rpc
