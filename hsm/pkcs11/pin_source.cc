#include "hsm/pkcs11/pin_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pkcs11 {
namespace {

constexpr size_t kLongestPin = 256;
constexpr char kField[] = "hsm.pin_file";

struct File {
  int descriptor;
  ~File() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

}  // namespace

absl::StatusOr<SecretBytes> PinSource::Read() const {
  if (file_.empty()) {
    if (pin_.empty()) return RefuseField(Reason::FIELD_REQUIRED, kField, "", "a PIN is needed");
    return pin_.Clone();
  }
  const File file{::open(file_.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (file.descriptor < 0 || ::fstat(file.descriptor, &status) != 0) {
    return RefuseField(Reason::FIELD_REQUIRED, kField, file_,
                       absl::StrCat("must be readable: ", std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode) || (status.st_mode & 077) != 0) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, kField, file_,
                       "must be a file that only its owner can read (mode 0600 or 0400)");
  }
  SecretBytes text(kLongestPin + 2);
  const ssize_t got = ::read(file.descriptor, text.data(), text.size());
  size_t size = got > 0 ? static_cast<size_t>(got) : 0;
  while (size > 0 && (text.data()[size - 1] == '\n' || text.data()[size - 1] == '\r')) --size;
  if (size == 0) return RefuseField(Reason::FIELD_REQUIRED, kField, file_, "must hold a PIN");
  if (size > kLongestPin) {
    return RefuseField(Reason::FIELD_TOO_LONG, kField, file_, "must hold a PIN of 1 to 256 bytes");
  }
  return SecretBytes::CopyOf(text.view().first(size));
}

absl::Status PinSource::Check() const { return Read().status(); }

absl::StatusOr<SecretBytes> PinSource::Take() {
  absl::StatusOr<SecretBytes> pin = Read();
  if (!pin.ok()) return pin;
  const Sha256Digest digest = Sha256(pin->view());
  std::lock_guard lock(mutex_);
  if (locked_.contains(digest)) {
    return Refuse(
        Reason::HSM_PIN_LOCKED,
        "the token says that its PIN is locked; not tried again until the PIN file changes");
  }
  if (wrong_.contains(digest)) {
    return Refuse(Reason::HSM_PIN_REJECTED,
                  "the token refused this PIN; not tried again until the PIN file changes");
  }
  return pin;
}

bool PinSource::IsFair(const SecretBytes& pin, uint64_t generation) {
  const Sha256Digest digest = Sha256(pin.view());
  std::lock_guard lock(mutex_);
  if (offered_ && *offered_ != digest && offered_in_ == generation) return false;
  offered_ = digest;
  offered_in_ = generation;
  return true;
}

void PinSource::Hold(const SecretBytes& pin, bool locked) {
  std::lock_guard lock(mutex_);
  (locked ? locked_ : wrong_).insert(Sha256(pin.view()));
}

}  // namespace assay::pkcs11
