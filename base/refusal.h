// Why Assay refuses: one list of reasons for the whole house, carried inside absl::Status.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace assay {

// Stable names: callers' programs branch on them. proto/assay/v1/reason.proto lists the same names
// with the REASON_ prefix, and a test compares the two. X(NAME, canonical code, retry, one line).
#define ASSAY_REASONS(X)                                                                           \
  X(REQUEST_MALFORMED, kInvalidArgument, kNever, "the request cannot be read")                     \
  X(FIELD_REQUIRED, kInvalidArgument, kNever, "a field is missing")                                \
  X(FIELD_OUT_OF_RANGE, kInvalidArgument, kNever, "a value lies outside its range")                \
  X(FIELD_TOO_LONG, kInvalidArgument, kNever, "a text or blob is longer than its limit in bytes")  \
  X(FIELD_MALFORMED, kInvalidArgument, kNever,                                                     \
    "a value does not have the form its field asks for")                                           \
  X(FIELD_NOT_ALLOWED, kInvalidArgument, kNever, "a field may not be given here")                  \
  X(FIELDS_CONTRADICT, kInvalidArgument, kNever, "two values exclude each other")                  \
  X(CALLER_UNKNOWN, kUnauthenticated, kNever, "no grant names the caller's certificate")           \
  X(ROLE_MISSING, kPermissionDenied, kNever, "the caller's role does not include this call")       \
  X(LOT_NOT_GRANTED, kPermissionDenied, kNever, "the caller has no grant on this lot or factory")  \
  X(SECOND_PERSON_REQUIRED, kFailedPrecondition, kNever, "the act waits for another operator")     \
  X(PROPOSAL_UNKNOWN, kNotFound, kNever, "no such proposal")                                       \
  X(PROPOSAL_NOT_OPEN, kFailedPrecondition, kNever, "the proposal was decided or has expired")     \
  X(SAME_PERSON, kPermissionDenied, kNever, "a proposer cannot approve the own proposal")          \
  X(PRODUCT_UNKNOWN, kNotFound, kNever, "no such product")                                         \
  X(PRODUCT_CONFLICT, kAlreadyExists, kNever, "the product is fixed by an open lot")               \
  X(LOT_UNKNOWN, kNotFound, kNever, "no such lot")                                                 \
  X(LOT_CONFLICT, kAlreadyExists, kNever, "a lot of this name exists with other content")          \
  X(LOT_NOT_OPEN, kFailedPrecondition, kNever, "the lot is not open")                              \
  X(QUOTA_EXCEEDED, kResourceExhausted, kNever, "the lot's count is used up")                      \
  X(REQUEST_CONFLICT, kAlreadyExists, kNever, "the request id was used with other content")        \
  X(TICKET_CONFLICT, kAlreadyExists, kNever, "the ticket was used with other content")             \
  X(TICKET_IN_FLIGHT, kUnavailable, kSoon, "the ticket is being issued by another replica")        \
  X(TICKET_OF_ANOTHER_LINE, kPermissionDenied, kNever, "the ticket belongs to another line")       \
  X(TICKET_UNKNOWN, kNotFound, kNever, "no identity was sealed for this ticket")                   \
  X(IDENTITY_WIPED, kFailedPrecondition, kNever, "the sealed image was wiped; only digests stay")  \
  X(CONFIRM_CONFLICT, kFailedPrecondition, kNever, "the device was confirmed otherwise before")    \
  X(DEVICE_UNKNOWN, kNotFound, kNever, "no such device")                                           \
  X(PASSCODE_FORBIDDEN, kInvalidArgument, kNever, "the specification forbids this passcode")       \
  X(VERIFIER_MISMATCH, kInvalidArgument, kNever, "the verifier does not belong to the passcode")   \
  X(SERIAL_NUMBER_TAKEN, kAlreadyExists, kNever, "another unit of the lot has the serial number")  \
  X(PUBLIC_KEY_REUSED, kAlreadyExists, kNever, "a certificate for this key exists")                \
  X(CSR_MALFORMED, kInvalidArgument, kNever, "not a PKCS#10 request in DER")                       \
  X(CSR_TOO_LARGE, kInvalidArgument, kNever, "the request is larger than the limit")               \
  X(CSR_CURVE, kInvalidArgument, kNever, "the key is not on P-256, or the point is not on it")     \
  X(CSR_SIGNATURE, kInvalidArgument, kNever, "the request is not signed by its own key")           \
  X(DAC_INVALID, kInvalidArgument, kNever, "the given DAC breaks a rule")                          \
  X(CD_MALFORMED, kInvalidArgument, kNever, "the certification declaration cannot be read")        \
  X(CD_UNTRUSTED, kInvalidArgument, kNever, "the certification declaration's signer is unknown")   \
  X(CD_SIGNATURE, kInvalidArgument, kNever, "the certification declaration's signature is wrong")  \
  X(CD_MISMATCH, kFailedPrecondition, kNever,                                                      \
    "the certification declaration covers something else")                                         \
  X(PAI_UNKNOWN, kNotFound, kNever, "no such PAI")                                                 \
  X(PAI_NOT_ACTIVE, kFailedPrecondition, kNever, "the PAI may not issue now")                      \
  X(PAI_INVALID, kInvalidArgument, kNever, "the PAI certificate breaks a rule")                    \
  X(PAI_CONFLICT, kAlreadyExists, kNever, "a PAI of this name exists with other content")          \
  X(PAA_UNTRUSTED, kFailedPrecondition, kNever, "the PAA is not in the trust list")                \
  X(TEST_CREDENTIAL, kFailedPrecondition, kNever, "production refuses test credentials")           \
  X(LINT_FAILED, kFailedPrecondition, kNever, "the certificate to be signed breaks the profile")   \
  X(VERIFY_FAILED, kInternal, kSoon, "what was made did not pass its check; nothing left")         \
  X(IMAGE_TOO_SMALL, kFailedPrecondition, kNever, "the image size does not hold its content")      \
  X(IMAGE_MALFORMED, kInvalidArgument, kNever, "the image cannot be read")                         \
  X(HSM_UNAVAILABLE, kUnavailable, kLater, "the HSM does not sign now")                            \
  X(HSM_PIN_REJECTED, kUnavailable, kLater, "the HSM refused the PIN; no second attempt is made")  \
  X(HSM_PIN_LOCKED, kUnavailable, kLater, "the HSM's PIN is locked")                               \
  X(HSM_KEY_MISSING, kUnavailable, kLater, "the key is not in the HSM")                            \
  X(HSM_KEY_UNFIT, kFailedPrecondition, kNever, "the key breaks the key policy")                   \
  X(HSM_TIMEOUT, kUnavailable, kSoon, "the HSM did not answer in time")                            \
  X(HSM_BAD_SIGNATURE, kUnavailable, kSoon, "the HSM returned a wrong signature; nothing left")    \
  X(STORE_UNAVAILABLE, kUnavailable, kSoon, "the database does not answer")                        \
  X(STORE_IN_DOUBT, kUnavailable, kSoon, "a commit's outcome is unknown; ask again by the ticket") \
  X(STORE_READ_ONLY, kUnavailable, kLater, "the database takes no writes now")                     \
  X(SCHEMA_MISMATCH, kFailedPrecondition, kNever, "the database schema is not this program's")     \
  X(OVERLOADED, kUnavailable, kSoon, "more work waits than can be done in time")                   \
  X(RATE_LIMITED, kResourceExhausted, kSoon, "the line's rate limit is reached")                   \
  X(DEADLINE_TOO_SHORT, kDeadlineExceeded, kNever, "the deadline leaves no time for the work")     \
  X(DRAINING, kUnavailable, kSoon, "this replica is shutting down")                                \
  X(PAGE_TOKEN_INVALID, kInvalidArgument, kNever, "the page token is not of this query")           \
  X(INTERNAL, kInternal, kLater, "a fault of Assay's own")                                         \
  X(HSM_DATA_REJECTED, kDataLoss, kNever, "the HSM's key did not make these wrapped bytes")        \
  X(LEDGER_UNKNOWN, kNotFound, kNever, "the ledger has no such entry, tile or size")               \
  X(LEDGER_PENDING, kUnavailable, kSoon, "the entry is not under a signed checkpoint yet")         \
  X(LEDGER_FORKED, kDataLoss, kNever, "the ledger contradicts what was signed before")             \
  X(NOTE_UNTRUSTED, kFailedPrecondition, kNever,                                                   \
    "the note is not signed by the given key, or wrongly")                                         \
  X(PROOF_INVALID, kDataLoss, kNever, "the proof does not lead to the signed root")                \
  X(CHECKPOINT_STALE, kFailedPrecondition, kNever, "the checkpoint is older than one seen before") \
  X(MODULE_COMPLETED, kAlreadyExists, kNever, "another ticket completed the module")               \
  X(MODULE_UNFIT, kFailedPrecondition, kNever, "the module cannot be completed in this lot")       \
  X(BUNDLE_INVALID, kDataLoss, kNever, "the bundle is not what was signed")                        \
  X(VALUE_TAKEN, kAlreadyExists, kNever, "another unit of the product has the value")              \
  X(VERIFICATION_UNKNOWN, kNotFound, kNever, "no such verification, or its time is over")          \
  X(LEASE_UNKNOWN, kNotFound, kNever, "the lot has no such lease")                                 \
  X(CRL_UNKNOWN, kNotFound, kNever, "the issuer has no such revocation list")                      \
  X(KEY_UNKNOWN, kNotFound, kNever, "the HSM has no key of this label")

enum class Reason {
#define ASSAY_REASON_ENUM(name, code, retry, text) name,
  ASSAY_REASONS(ASSAY_REASON_ENUM)
#undef ASSAY_REASON_ENUM
};

std::string_view ReasonName(Reason reason);
std::string_view ReasonText(Reason reason);
std::vector<Reason> AllReasons();

// Whether the same request may succeed later: kSoon after about a second, kLater after about half a
// minute.
enum class Retry { kNever, kSoon, kLater };

// What a caller may be told. Never holds a secret: whoever fills `value` for a secret field leaves
// it empty.
struct Refusal {
  Reason reason = Reason::INTERNAL;
  std::string field;  // path in the request or file, empty where no field is at fault
  std::string value;
  std::string rule;
  std::optional<std::chrono::milliseconds> retry_after;
};

// "<text>" with the reason's canonical code.
absl::Status Refuse(Reason reason, absl::string_view message);
// Message "<field>: <rule> (got <value>)"; pass an empty value for secrets.
absl::Status RefuseField(Reason reason, absl::string_view field, absl::string_view value,
                         absl::string_view rule);
// The same, with a delay of its own in place of the reason's.
absl::Status RefuseField(Reason reason, absl::string_view field, absl::string_view value,
                         absl::string_view rule, std::chrono::milliseconds retry_after);
// The same of a refusal that was read by RefusalOf and names a field.
absl::Status Refuse(const Refusal& refusal);
absl::Status RefuseFor(Reason reason, absl::string_view message,
                       std::chrono::milliseconds retry_after);

// The refusal inside `status`, or nothing for a status Assay did not make.
std::optional<Refusal> RefusalOf(const absl::Status& status);
bool HasReason(const absl::Status& status, Reason reason);
// `status` with "<prefix>: " before its message and before its field; the reason stays.
absl::Status Within(absl::string_view prefix, const absl::Status& status);
// The refusal in `status` with another field at fault, which has `value`: what it said before, its
// own field included, is its rule now. A refusal that names no field, or is no refusal, stays.
absl::Status Blame(absl::string_view field, absl::string_view value, const absl::Status& status);

}  // namespace assay

// The one macro of the house: return a refusal to the caller.
#define ASSAY_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                     \
    if (absl::Status assay_status = (expression); !assay_status.ok()) return assay_status; \
  } while (false)
