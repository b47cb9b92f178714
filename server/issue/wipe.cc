#include "server/issue/wipe.h"

#include <openssl/crypto.h>

#include "base/secret.h"
#include "server/issue/work.h"

namespace assay::issue {

void WipeIdentity(v1::Identity& identity) {
  if (identity.has_codes()) {
    v1::OnboardingCodes& codes = *identity.mutable_codes();
    codes.set_passcode(0);
    WipeText(*codes.mutable_qr_code());
    WipeText(*codes.mutable_manual_code());
  }
  WipeText(*identity.mutable_spake2p_verifier());
  for (v1::ImageFile& image : *identity.mutable_images()) WipeText(*image.mutable_content());
}

void WipeRequest(v1::IssueRequest& request) {
  if (request.has_given_dac()) WipeText(*request.mutable_given_dac()->mutable_private_key());
  if (!request.has_values()) return;
  v1::DeviceValues& values = *request.mutable_values();
  values.clear_passcode();
  WipeText(*values.mutable_verifier());
  for (v1::ExtraValue& extra : *values.mutable_extra()) {
    WipeText(*extra.mutable_value());
    WipeText(*extra.mutable_content());
  }
}

Work::~Work() {
  WipeRequest(request);
  WipeText(qr_code);
  WipeText(manual_code);
  OPENSSL_cleanse(&passcode, sizeof passcode);
  OPENSSL_cleanse(&payload.passcode, sizeof payload.passcode);
  if (sealed.has_identity()) WipeIdentity(*sealed.mutable_identity());
}

}  // namespace assay::issue
