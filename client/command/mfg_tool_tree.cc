// mfg-tool and its flags, in the tree of commands.
#include "client/command/commands.h"
#include "client/command/tree.h"

namespace assay::client {

void AddMfgToolCommand(CLI::App& app, const ChooseAction& choose) {
  auto o = std::make_shared<MfgToolOptions>();
  CLI::App* a =
      AddLeaf(app, choose, "mfg-tool",
              "factory images with the flags and files of Espressif's mfg_tool", &MfgTool, o);
  a->add_option("--lot", o->lot, "issue from this lot; required by servers in production mode");
  AddNumber(a, "-n,--count", o->count, "devices (default 1)");
  a->add_option("--target", o->target, "chip (default esp32)");
  AddNumber(a, "-s,--size", o->size, "NVS partition size (default 0x6000)");
  a->add_flag("-e,--encrypt", o->encrypt, "encrypt the NVS partition");
  a->add_option("--log-level", o->log_level)->check(CLI::IsMember({"debug", "info", "error"}));
  a->add_option("--outdir", o->outdir, "output folder (default out)");
  a->add_flag("--no-bin", o->no_bin, "write no NVS binary");
  a->add_flag("--no-secure-cert-bin", o->no_secure_cert_bin, "write no secure-cert binary");
  AddNumber(a, "--passcode", o->passcode, "setup passcode");
  AddNumber(a, "--discriminator", o->discriminator, "discriminator, 0 to 4095");
  AddNumber(a, "--commissioning-flow", o->commissioning_flow, "0, 1 or 2 (-cf)");
  AddNumber(a, "--discovery-mode", o->discovery_mode, "2 BLE, 4 on-network, 6 both (-dm)");
  a->add_flag("--enable-dynamic-passcode", o->enable_dynamic_passcode,
              "the device makes its passcode");
  a->add_option("--salt", o->salt, "SPAKE2+ salt, base64");
  a->add_option("--verifier", o->verifier, "SPAKE2+ verifier, base64");
  AddNumber(a, "--iteration-count", o->iteration_count, "PBKDF2 iterations (default 10000)");
  a->add_flag("--commissionable-data-in-secure-cert", o->commissionable_data_in_secure_cert);
  a->add_flag("--dac-in-secure-cert", o->dac_in_secure_cert);
  a->add_flag("--rd-id-uid-in-secure-cert", o->rd_id_uid_in_secure_cert);
  a->add_option("--lifetime", o->lifetime, "days, 'pai' or 'never' (-lt; default never)");
  a->add_option("--valid-from", o->valid_from, "YYYY-MM-DD [HH:MM:SS] (-vf)");
  a->add_option("--cn-prefix", o->cn_prefix, "of the PAI that --paa makes (-cn; default ESP32)");
  a->add_option("-c,--cert", o->cert,
                "certificate of the PAI to use, which is in the HSM; or of a given DAC's PAI");
  a->add_option("-k,--key", o->key, "(refused: keys stay in the HSM)");
  a->add_option("--cert-dclrn", o->cert_dclrn, "certification declaration (-cd)");
  a->add_option("--dac-cert", o->dac_cert,
                "a DAC made elsewhere; many: a folder, or a csv with the columns cert, key, pai");
  a->add_option("--dac-key", o->dac_key, "its key; without, the device holds it");
  a->add_flag("--ds-peripheral", o->ds_peripheral, "DAC key in the eFuse (-ds)");
  AddNumber(a, "--efuse-key-id", o->efuse_key_id, "eFuse key block, 0 to 5");
  a->add_option("--port", o->port, "(refused: Assay burns no eFuse)");
  a->add_option("--pwd,--password", o->password, "(refused: there is no key file)");
  CLI::Option* paa =
      a->add_flag("--paa", o->paa, "make a PAI for this run under the sandbox's PAA in the HSM");
  a->add_flag("--pai", o->pai, "DACs from the PAI in the HSM that fits vendor and product")
      ->excludes(paa);
  AddNumber(a, "-v,--vendor-id", o->vendor_id, "vendor id");
  AddNumber(a, "-p,--product-id", o->product_id, "product id");
  a->add_option("--vendor-name", o->vendor_name);
  a->add_option("--product-name", o->product_name);
  AddNumber(a, "--hw-ver", o->hw_ver, "hardware version");
  a->add_option("--hw-ver-str", o->hw_ver_str);
  a->add_option("--mfg-date", o->mfg_date, "YYYY-MM-DD or YYYYMMDD");
  a->add_option("--serial-num", o->serial_num);
  a->add_flag("--enable-rotating-device-id", o->enable_rotating_device_id);
  a->add_option("--rd-id-uid", o->rd_id_uid, "32 hex digits");
  a->add_option("--product-finish", o->product_finish);
  a->add_option("--product-color", o->product_color);
  a->add_option("--part-number", o->part_number);
  a->add_option("--calendar-types", o->calendar_types);
  a->add_option("--locales", o->locales);
  a->add_option("--fixed-labels", o->fixed_labels, "<endpoint>/<label>/<value> ...");
  a->add_option("--supported-modes", o->supported_modes,
                "<mode>/<label>/<endpoint>[/<value>\\<mfg>, ...] ...");
  a->add_option("--product-label", o->product_label);
  a->add_option("--product-url", o->product_url);
  a->add_option("--csv", o->csv, "which keys the mcsv file has");
  a->add_option("--mcsv", o->mcsv, "their values, a row a device");
}

}  // namespace assay::client
