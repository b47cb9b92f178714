// A folder for one test, gone at its end; and an identity as the server would send it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "assay/v1/catalog.pb.h"
#include "assay/v1/issuance.pb.h"
#include "assay/v1/types.pb.h"
#include "base/random.h"
#include "image/image.h"
#include "matter/onboarding.h"
#include "matter/passcode.h"
#include "matter/spake2p.h"

namespace assay::client {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "assay-client-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return (std::filesystem::path(path_) / name).string();
  }

 private:
  std::string path_;
};

inline v1::ProductSpec TestSpec() {
  v1::ProductSpec spec;
  spec.set_vendor_id(0xFFF1);
  spec.set_product_id(0x8000);
  spec.set_vendor_name("ESP");
  spec.set_product_name("light");
  spec.set_discovery(2);
  spec.set_spake2p_iterations(1000);
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
  return spec;
}

// A device without attestation whose image, codes and fields say the same.
inline v1::Identity TestIdentity(const v1::ProductSpec& spec, const std::string& ticket,
                                 const v1::DeviceValues& values = {}) {
  static SystemRandom random;
  v1::Identity identity;
  identity.set_device_id("device-" + ticket);
  identity.set_ticket(ticket);
  identity.set_lot("L1");
  identity.set_product("light");
  identity.set_serial_number(values.serial_number().empty() ? "SN-" + ticket
                                                            : values.serial_number());
  matter::SetupPayload payload;
  payload.vendor_id = static_cast<uint16_t>(spec.vendor_id());
  payload.product_id = static_cast<uint16_t>(spec.product_id());
  payload.discovery = 2;
  payload.discriminator = static_cast<uint16_t>(
      values.has_discriminator() ? values.discriminator() : matter::DrawDiscriminator(random));
  payload.passcode = values.has_passcode() ? values.passcode() : matter::DrawPasscode(random);
  const matter::Spake2pParameters parameters{1000, matter::DrawSalt(random)};
  const SecretBytes verifier = *matter::ComputeVerifier(payload.passcode, parameters);
  v1::OnboardingCodes& codes = *identity.mutable_codes();
  codes.set_discriminator(payload.discriminator);
  codes.set_passcode(payload.passcode);
  codes.set_qr_code(*matter::EncodeQr(payload));
  codes.set_manual_code(*matter::EncodeManualCode(payload));
  identity.set_spake2p_iterations(1000);
  identity.set_spake2p_salt(ToText(parameters.salt));
  identity.set_spake2p_verifier(ToText(verifier.view()));
  image::FactoryContent content;
  content.discriminator = payload.discriminator;
  content.iteration_count = 1000;
  content.salt = parameters.salt;
  content.verifier = ToBytes(verifier.view());
  content.vendor_id = payload.vendor_id;
  content.product_id = payload.product_id;
  content.vendor_name = spec.vendor_name();
  content.product_name = spec.product_name();
  content.serial_number = identity.serial_number();
  content.rotating_id = ToBytes(AsBytes(values.rotating_id()));
  identity.set_rotating_id(values.rotating_id());
  const auto files = *image::BuildProvenImage(content, {}, identity.device_id(), random);
  v1::ImageFile& file = *identity.add_images();
  file.set_name("factory");
  file.set_partition_label("nvs");
  file.set_content(ToText(files[0].bytes.view()));
  file.set_sha256(ToText(Sha256(files[0].bytes.view())));
  file.set_secret(true);
  return identity;
}

}  // namespace assay::client
