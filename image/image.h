// The one interface behind which image formats sit. A format turns factory content into the files a
// line flashes, and those files back into content, so that every image can be compared before it
// leaves. Stateless, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "image/factory_keys.h"
#include "image/nvs.h"
#include "image/secure_cert.h"

namespace assay::image {

enum class NvsProtection {
  kPlain,
  kKeyPartition,  // fresh XTS key a unit, delivered as a key partition
  kHmac,          // fresh eFuse key a unit; the chip derives the XTS key
};

struct ImageOptions {
  std::string format = "esp32";
  bool nvs = true;  // false: secure-cert image alone (mfg_tool's --no-bin)
  NvsOptions nvs_options;
  NvsProtection protection = NvsProtection::kPlain;
  std::string nvs_label = "nvs";
  std::optional<uint32_t> nvs_offset;  // flash address, where the product says it
  std::string nvs_keys_label = "nvs_keys";
  std::optional<uint32_t> nvs_keys_offset;
  // The secure-cert image is made whenever the content's placement puts something there.
  SecureCertOptions secure_cert;
  std::optional<uint32_t> secure_cert_offset = kSecureCertOffset;
  // The DAC key lives in this eFuse key block (0..5) and signs through the ECDSA peripheral: the
  // image then holds no key, and the block to burn is a file of its own. Needs
  // attestation_in_secure_cert.
  std::optional<uint8_t> efuse_key_id;
};

enum class ImageFileKind {
  kNvs,            // <unit>-partition.bin
  kNvsKeys,        // <unit>-keys-partition.bin
  kSecureCert,     // <unit>_esp_secure_cert.bin
  kHmacEfuseKey,   // <unit>-hmac-key.bin, 32 bytes
  kEcdsaEfuseKey,  // <unit>-efuse-key.bin, 32 bytes
};
// "nvs", "nvs-keys", "secure-cert", "hmac-efuse-key", "ecdsa-efuse-key"; stable, stored in records.
std::string_view ImageFileKindName(ImageFileKind kind);
std::optional<ImageFileKind> ImageFileKindOf(std::string_view name);

struct ImageFile {
  ImageFileKind kind = ImageFileKind::kNvs;
  std::string name;             // mfg_tool's name
  SecretBytes bytes;            // any image may hold a key
  std::string partition_label;  // empty for eFuse blocks
  std::optional<uint32_t> offset;
  // Opens another file or is a bare key: delivered apart, with a file mode of its own, and only to
  // a role granted it.
  bool key_material = false;

  ImageFile Clone() const;
};

class ImageFormat {
 public:
  virtual ~ImageFormat() = default;

  virtual std::string_view name() const = 0;

  // Whether the options are within the format's means; the first broken rule as a RefuseField
  // refusal. Also whether they fit the content's placement.
  virtual absl::Status Check(const FactoryContent& content, const ImageOptions& options) const = 0;

  // The unit's files, the flashable image first. Checks content and options before; nothing is
  // returned in part. `unit_name` becomes the stem of the names (mfg_tool: the device UUID). Draws
  // keys and fillers from `random`.
  virtual absl::StatusOr<std::vector<ImageFile>> Build(const FactoryContent& content,
                                                       const ImageOptions& options,
                                                       std::string_view unit_name,
                                                       Random& random) const = 0;

  // Reads the files as a device would, CRCs and all, with our own reader. IMAGE_MALFORMED for any
  // fault, also for wrong or missing keys. The result's placement tells where things were found.
  // For ECDSA-peripheral units the eFuse block gives dac_key; where that file is not among `files`,
  // dac_key is empty.
  virtual absl::StatusOr<FactoryContent> ReadBack(const std::vector<ImageFile>& files,
                                                  const ImageOptions& options) const = 0;
};

// Null where no format has this name.
const ImageFormat* FindImageFormat(std::string_view name);
std::vector<std::string> ImageFormatNames();

// A unit's name becomes file names, so it may hold nothing that a path could misread.
absl::Status CheckUnitName(std::string_view name);

// What of `content` the files of these options carry (a secure-cert image alone carries little).
// The DAC's public key is taken from the DAC where the images name it nowhere else.
FactoryContent ContentInImage(const FactoryContent& content, const ImageOptions& options);

// Build, ReadBack and CompareFactoryContent in one: what comes out holds what went in.
// VERIFY_FAILED else.
absl::StatusOr<std::vector<ImageFile>> BuildProvenImage(const FactoryContent& content,
                                                        const ImageOptions& options,
                                                        std::string_view unit_name, Random& random);

}  // namespace assay::image
