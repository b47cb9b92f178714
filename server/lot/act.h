// Acts: what an operator asks for, as the store and the ledger keep it.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "db/store.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "server/access/caller.h"

namespace assay::lot {

// 1 to 64 of [A-Za-z0-9._-]: names of products, lots and PAIs.
absl::Status CheckName(std::string_view field, std::string_view name);
// FIELD_REQUIRED where it is empty.
absl::Status CheckGiven(std::string_view field, std::string_view value);
// A mutating request's id: 1 to 128 bytes of UTF-8 without a zero byte.
absl::Status CheckRequestId(std::string_view request_id);
// A duration's whole seconds, where they lie in the range; FIELD_OUT_OF_RANGE with `rule` else.
absl::StatusOr<int64_t> ReadSeconds(std::string_view field,
                                    const google::protobuf::Duration& duration, int64_t least,
                                    int64_t most, std::string_view rule);

// The act of `caller` asking `request`; its digest leaves the field request_id out, so that the
// same id with the same content is the same act. FIELD_REQUIRED, FIELD_TOO_LONG or FIELD_MALFORMED
// for the id (1 to 128 bytes of UTF-8).
absl::StatusOr<db::Act> MakeAct(const access::Caller& caller, std::string_view kind,
                                std::string_view subject, const google::protobuf::Message& request);

// Serialized the same way for the same content.
std::string Deterministic(const google::protobuf::Message& message);

}  // namespace assay::lot
