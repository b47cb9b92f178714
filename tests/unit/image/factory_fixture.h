// A DAC of a public key infrastructure made for tests only; its keys protect nothing.
#pragma once

#include <string_view>

#include "image/factory_keys.h"

namespace assay::image {

inline constexpr std::string_view kTestDac =
    "30820202308201a9a00302010202145b38a2c5384b5469f9061d9d53e08ff71f05eef1300a06082a8648ce3d"
    "04030230443116301406035504030c0d566563746f722050414920303031143012060a2b0601040182a27c02"
    "010c044646463131143012060a2b0601040182a27c02020c04383030303020170d3236313132323131353134"
    "315a180f32313236313032393131353134315a305b312d302b06035504030c2434313635316533652d346339"
    "302d346164332d393663662d34653835633865346238653431143012060a2b0601040182a27c02010c044646"
    "463131143012060a2b0601040182a27c02020c04383030303059301306072a8648ce3d020106082a8648ce3d"
    "0301070342000470e85657c5dbbc0f95edd4306380ac55cd35169b3ca752583494791a3914cea7610f4beff4"
    "6ffb4e989a5f883d60f3ee2d7e51f1fdb8dcde1e237f5a180f3bdba360305e300c0603551d130101ff040230"
    "00300e0603551d0f0101ff040403020780301d0603551d0e04160414653070e3b7b74563618db2c8e6455599"
    "e8a95400301f0603551d2304183016801443907aa3f8c1bf05022f16ed5419f47802f51399300a06082a8648"
    "ce3d040302034700304402202b17dca02cb92e3c98daf119be91c94cba0462b4de00fb3bdbc80695b649dd62"
    "02207581929f256bad38d54a5e9d75ce62edd48e417bb39308050f7f3dc4fbfeb144";
inline constexpr std::string_view kTestPai =
    "308201c93082016ea0030201020214487054875f3c9b01ad088ef0e21c8a0302804eaf300a06082a8648ce3d"
    "040302301a3118301606035504030c0f566563746f722054657374205041413020170d323631313232313135"
    "3134315a180f32313236313032393131353134315a30443116301406035504030c0d566563746f7220504149"
    "20303031143012060a2b0601040182a27c02010c044646463131143012060a2b0601040182a27c02020c0438"
    "3030303059301306072a8648ce3d020106082a8648ce3d0301070342000497166900ff5e98dd493b33900300"
    "3b41d18bbb0a377dff7db36d84954d6db867b0a8b262d789b404c9621c7343afcad3c04426ba17324a658d0d"
    "f14cc7eebcfda366306430120603551d130101ff040830060101ff020100300e0603551d0f0101ff04040302"
    "0186301d0603551d0e0416041443907aa3f8c1bf05022f16ed5419f47802f51399301f0603551d2304183016"
    "80145992aaab86221374616e46ca98b44f9877d24b1a300a06082a8648ce3d0403020349003046022100b0e2"
    "57cc91d433d7040c748d9ce2675a4dbf3cdd5186b97379ba9661c05bf7bc022100f2dc49370cd11d73f6c9db"
    "5d130e5822b2c9c7427654684de60fa9f7b7e3e8c8";
inline constexpr std::string_view kTestDacKey =
    "4f819cd3c8e347736016c48208dfe83cd21182928225c9d7805e8d074d229496";
inline constexpr std::string_view kTestDacPoint =
    "0470e85657c5dbbc0f95edd4306380ac55cd35169b3ca752583494791a3914cea7610f4beff46ffb4e989a5f"
    "883d60f3ee2d7e51f1fdb8dcde1e237f5a180f3bdb";

inline Bytes TestBytes(std::string_view hex) { return FromHex(hex).value(); }

// Every field set, as for the reference tool's run with all options.
inline FactoryContent FullContent() {
  FactoryContent content;
  content.discriminator = 3840;
  content.iteration_count = 10000;
  content.salt = Bytes(32);
  for (size_t i = 0; i < content.salt.size(); ++i) content.salt[i] = static_cast<uint8_t>(i);
  content.verifier =
      FromBase64(
          "0Vz+6Zg7QOq5ukH370fOYM86F2XopdEcPwfhZ1qvTGoEctORTncWkJEVEfOZXMASljwMo0d5v3aQ1neB0fxP8A"
          "fb6gHU8kqp140vKIK6T8+qSqOQwifg0vdfiVQGt/vleg==")
          .value();
  content.vendor_id = 0xFFF1;
  content.product_id = 0x8000;
  content.vendor_name = "VectorCo";
  content.product_name = "VectorLight";
  content.hardware_version = 1;
  content.hardware_version_string = "v1.0";
  content.manufacturing_date = "20221025";
  content.rotating_id = TestBytes("c0398f4980b07c9460f71c5421e1a3c5");
  content.finish = FinishOf("satin");
  content.color = ColorOf("gold");
  content.part_number = "PN-0001";
  content.serial_number = "VEC0000000000001";
  content.dac = TestBytes(kTestDac);
  content.dac_key = SecretBytes(TestBytes(kTestDacKey));
  content.dac_public_key = TestBytes(kTestDacPoint);
  content.pai = TestBytes(kTestPai);
  content.certification_declaration = Bytes(235, 0xCD);
  content.calendar_types = 48;
  content.locales = {"en-US", "fr-FR"};
  content.fixed_labels = {{0, "orientation", "up"}, {1, "room", "kitchen"}};
  content.supported_modes = {{1, "RapidCool", 0, {{7, 0}, {8, 0x8000}}}, {1, "Quiet", 1, {}}};
  content.product_label = "Lamp";
  content.product_url = "https://example.com/p";
  return content;
}

}  // namespace assay::image
