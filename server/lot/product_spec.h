// What a product record says, checked and turned into what images are made from.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "image/factory_keys.h"
#include "image/image.h"
#include "matter/certification_declaration.h"
#include "matter/onboarding.h"

namespace assay::lot {

// Vendor and product as the DAC names them: the declaration's origin pair for white labels, the
// record's own pair otherwise.
struct DacIds {
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;
};
DacIds DacIdsOf(const v1::ProductSpec& spec,
                const std::optional<matter::CertificationDeclaration>& cd);

bool WantsDac(const v1::ProductSpec& spec);  // attestation other than none
// Whether an image of it holds discriminator, salt and verifier: else the device gets them, and the
// label its codes, in the lot that completes it.
bool HoldsCommissioning(const v1::ProductSpec& spec);
bool HoldsRotatingId(const v1::ProductSpec& spec);
bool HasPasscode(const v1::ProductSpec& spec);  // held by an image, and not of the device's making
uint32_t IterationsOf(const v1::ProductSpec& spec);
size_t SaltLengthOf(const v1::ProductSpec& spec);
size_t RotatingIdLengthOf(const v1::ProductSpec& spec);

// The record with every absent value that has a default spelt out.
v1::ProductSpec WithDefaults(v1::ProductSpec spec);

// What all devices of the product have in common; per-device fields are empty.
absl::StatusOr<image::FactoryContent> CommonContent(const v1::ProductSpec& spec);
absl::StatusOr<image::ImageOptions> ImageOptionsOf(const v1::ProductSpec& spec);
// The label's payload, without discriminator and passcode.
matter::SetupPayload CommonPayload(const v1::ProductSpec& spec);

// The whole record without its declaration's signature and PAI (catalog.h): values in range and of
// the right form, and a sample device's image that holds everything. Each refusal names field,
// value and rule.
absl::Status CheckProductSpec(const v1::ProductSpec& spec, bool production);

}  // namespace assay::lot
