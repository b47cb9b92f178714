#include "client/mfg_tool/flag_check.h"

#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::client {
namespace {

absl::Status NotAllowed(absl::string_view flag, absl::string_view rule) {
  return RefuseField(Reason::FIELD_NOT_ALLOWED, flag, "", rule);
}
absl::Status Contradicts(absl::string_view flag, absl::string_view rule) {
  return RefuseField(Reason::FIELDS_CONTRADICT, flag, "", rule);
}

absl::Status CheckBuilt(const MfgToolOptions& options) {
  if (options.key) {
    return NotAllowed(
        "--key",
        "Assay signs with PAI keys inside the HSM and takes none from a file: make one with "
        "`assay authority pai create`, have its request signed by your PAA (in sandbox mode "
        "`assay authority pai sign-sandbox`) and activate it, then run this with --pai and "
        "without -k");
  }
  if (options.paa && !options.lot.empty()) {
    return NotAllowed("--paa",
                      "makes a PAI for this run, but the lot's product says which PAI signs");
  }
  if (options.cn_prefix && !options.paa) {
    return NotAllowed("--cn-prefix",
                      "names the PAI that --paa makes; for another give it to `assay authority pai "
                      "create --common-name`");
  }
  if (options.port) {
    return NotAllowed("--port",
                      "Assay burns no eFuse; the key block is written beside the image, burn it "
                      "with espefuse");
  }
  if (options.password) {
    return NotAllowed("--password",
                      "mfg_tool never used it, and Assay takes no key file it could open");
  }
  return absl::OkStatus();
}

// A folder or a csv of DACs.
bool IsList(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) || path.ends_with(".csv");
}

absl::Status CheckPairs(const MfgToolOptions& options) {
  if (options.csv.has_value() != options.mcsv.has_value()) {
    return Contradicts(options.csv ? "--csv" : "--mcsv",
                       "--csv and --mcsv are given together or not at all");
  }
  if (options.verifier && !(options.salt && options.passcode)) {
    return Contradicts("--verifier", "needs the --salt and the --passcode it belongs to");
  }
  if (options.enable_dynamic_passcode && (options.salt || options.verifier || options.passcode)) {
    return Contradicts("--enable-dynamic-passcode",
                       "the device makes its own passcode: no --passcode, "
                       "--salt or --verifier");
  }
  if (options.dac_key && !options.dac_cert) {
    return Contradicts("--dac-key", "is the key of --dac-cert; give both");
  }
  if (options.dac_key && IsList(*options.dac_cert)) {
    return Contradicts("--dac-key",
                       "is one key, but --dac-cert names a folder or a csv: the keys "
                       "belong beside the certificates");
  }
  if (options.dac_cert && !options.pai) return Contradicts("--dac-cert", "needs --pai");
  if (options.dac_cert && !options.cert && !IsList(*options.dac_cert)) {
    return Contradicts("--dac-cert", "needs, with -c, the PAI that signed it");
  }
  for (const auto& [flag, given] : {std::pair{"--lifetime", options.lifetime.has_value()},
                                    std::pair{"--valid-from", options.valid_from.has_value()}}) {
    if (given && !options.pai && !options.paa) {
      return Contradicts(flag, "is of the DAC, and without --pai or --paa there is none");
    }
    if (given && options.dac_cert) {
      return Contradicts(flag, "is of a DAC made here; the one of --dac-cert has its own dates");
    }
  }
  if (options.cert && !options.pai && !options.paa)
    return Contradicts("--cert", "says which PAI --pai means; give --pai");
  if (options.rd_id_uid && !options.enable_rotating_device_id) {
    return Contradicts("--rd-id-uid", "needs --enable-rotating-device-id");
  }
  return absl::OkStatus();
}

absl::Status CheckSecureCert(const MfgToolOptions& options) {
  const bool some = options.commissionable_data_in_secure_cert || options.rd_id_uid_in_secure_cert;
  const bool all = options.commissionable_data_in_secure_cert && options.rd_id_uid_in_secure_cert &&
                   options.dac_in_secure_cert;
  if (some && !all) {
    return Contradicts(options.commissionable_data_in_secure_cert
                           ? "--commissionable-data-in-secure-cert"
                           : "--rd-id-uid-in-secure-cert",
                       "needs --dac-in-secure-cert, --commissionable-data-in-secure-cert and "
                       "--rd-id-uid-in-secure-cert, all three");
  }
  if (options.dac_in_secure_cert && !options.pai && !options.paa) {
    return Contradicts("--dac-in-secure-cert",
                       "needs --pai or --paa: without it there is no DAC to put there");
  }
  if (options.dac_in_secure_cert && options.no_secure_cert_bin) {
    return Contradicts("--no-secure-cert-bin",
                       "with --dac-in-secure-cert the DAC would be nowhere");
  }
  if (options.efuse_key_id && !options.ds_peripheral) {
    return Contradicts("--efuse-key-id", "needs --ds-peripheral");
  }
  if (!options.ds_peripheral) return absl::OkStatus();
  static const std::set<std::string>* const kTargets = new std::set<std::string>{
      "esp32h2", "esp32h21", "esp32h4", "esp32p4", "esp32c5", "esp32c61", "esp32s31"};
  if (!kTargets->contains(options.target.value_or("esp32"))) {
    return RefuseField(
        Reason::FIELDS_CONTRADICT, "--ds-peripheral", options.target.value_or("esp32"),
        "needs a --target that has the peripheral: esp32h2, esp32h21, esp32h4, esp32p4, esp32c5, "
        "esp32c61, esp32s31");
  }
  if (!options.dac_in_secure_cert)
    return Contradicts("--ds-peripheral", "needs --dac-in-secure-cert");
  if (!options.efuse_key_id || *options.efuse_key_id < 0 || *options.efuse_key_id > 5) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--efuse-key-id",
                       options.efuse_key_id ? absl::StrCat(*options.efuse_key_id) : "",
                       "must be 0 to 5 with --ds-peripheral");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckFlags(const MfgToolOptions& options) {
  ASSAY_RETURN_IF_ERROR(CheckBuilt(options));
  ASSAY_RETURN_IF_ERROR(CheckPairs(options));
  return CheckSecureCert(options);
}

absl::Status CheckSingle(const MfgToolOptions& options, uint64_t count) {
  if (count == 1) return absl::OkStatus();
  const char* const flag = options.discriminator ? "--discriminator"
                           : options.passcode    ? "--passcode"
                           : options.dac_key     ? "--dac-key"
                           : options.serial_num  ? "--serial-num"
                           : options.rd_id_uid   ? "--rd-id-uid"
                           : options.salt        ? "--salt"
                           : options.verifier    ? "--verifier"
                                                 : nullptr;
  if (flag == nullptr) return absl::OkStatus();
  return Contradicts(flag,
                     absl::StrCat("is one device's value, but ", count, " devices are asked for"));
}

}  // namespace assay::client
