// The flags of Espressif's mfg_tool (esp-matter-mfg-tool 1.0.23) as they were typed. Nothing where
// not given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay::client {

struct MfgToolOptions {
  std::optional<uint64_t> count;
  std::optional<uint64_t> size;
  std::optional<uint64_t> passcode;
  std::optional<uint64_t> discriminator;
  std::optional<uint64_t> commissioning_flow;
  std::optional<uint64_t> discovery_mode;
  std::optional<uint64_t> iteration_count;
  std::optional<uint64_t> vendor_id;
  std::optional<uint64_t> product_id;
  std::optional<uint64_t> hw_ver;
  std::optional<int64_t> efuse_key_id;
  std::optional<std::string> target, log_level, outdir;
  std::optional<std::string> salt, verifier;  // base64
  std::optional<std::string> lifetime;        // days, "pai" or "never"
  std::optional<std::string> valid_from, cn_prefix;
  std::optional<std::string> cert, key, cert_dclrn, dac_cert, dac_key;  // files
  std::optional<std::string> port, password;
  std::optional<std::string> vendor_name, product_name, hw_ver_str, mfg_date, serial_num, rd_id_uid;
  std::optional<std::string> product_finish, product_color, part_number, product_label, product_url;
  std::vector<std::string> calendar_types, locales, fixed_labels, supported_modes;
  std::optional<std::string> csv, mcsv;
  bool encrypt = false;
  bool no_bin = false;
  bool no_secure_cert_bin = false;
  bool enable_dynamic_passcode = false;
  bool commissionable_data_in_secure_cert = false;
  bool dac_in_secure_cert = false;
  bool rd_id_uid_in_secure_cert = false;
  bool ds_peripheral = false;
  bool paa = false;
  bool pai = false;
  bool enable_rotating_device_id = false;

  // Assay's own: the lot to issue from. Required by servers in production mode.
  std::string lot;
};

}  // namespace assay::client
