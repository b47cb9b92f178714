// Object identifiers of Matter's certificates, as content octets.
#pragma once

#include <array>
#include <cstdint>

namespace assay::matter {

// 1.3.6.1.4.1.37244.2.1 and .2: vendor and product id in a name (Matter 6.2.2.2)
inline constexpr std::array<uint8_t, 10> kOidVendorId{0x2B, 6, 1, 4, 1, 0x82, 0xA2, 0x7C, 2, 1};
inline constexpr std::array<uint8_t, 10> kOidProductId{0x2B, 6, 1, 4, 1, 0x82, 0xA2, 0x7C, 2, 2};
inline constexpr std::array<uint8_t, 3> kOidCommonName{0x55, 0x04, 0x03};
inline constexpr std::array<uint8_t, 3> kOidOrganization{0x55, 0x04, 0x0A};
inline constexpr std::array<uint8_t, 7> kOidEcPublicKey{0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1};
inline constexpr std::array<uint8_t, 8> kOidPrime256v1{0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7};
inline constexpr std::array<uint8_t, 8> kOidEcdsaSha256{0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2};
inline constexpr std::array<uint8_t, 9> kOidSha256{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1};
inline constexpr std::array<uint8_t, 9> kOidCmsData{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 1};
inline constexpr std::array<uint8_t, 9> kOidCmsSignedData{0x2A, 0x86, 0x48, 0x86, 0xF7,
                                                          0x0D, 1,    7,    2};
inline constexpr std::array<uint8_t, 9> kOidExtensionRequest{0x2A, 0x86, 0x48, 0x86, 0xF7,
                                                             0x0D, 1,    9,    14};
inline constexpr std::array<uint8_t, 3> kOidSubjectKeyId{0x55, 0x1D, 0x0E};
inline constexpr std::array<uint8_t, 3> kOidKeyUsage{0x55, 0x1D, 0x0F};
inline constexpr std::array<uint8_t, 3> kOidBasicConstraints{0x55, 0x1D, 0x13};
inline constexpr std::array<uint8_t, 3> kOidCrlNumber{0x55, 0x1D, 0x14};
inline constexpr std::array<uint8_t, 3> kOidIssuingDistributionPoint{0x55, 0x1D, 0x1C};
inline constexpr std::array<uint8_t, 3> kOidCertificateIssuer{0x55, 0x1D, 0x1D};
inline constexpr std::array<uint8_t, 3> kOidCrlDistributionPoints{0x55, 0x1D, 0x1F};
inline constexpr std::array<uint8_t, 3> kOidAuthorityKeyId{0x55, 0x1D, 0x23};

}  // namespace assay::matter
