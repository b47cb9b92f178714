// Whether text is UTF-8, as TLV strings and names must be.
#pragma once

#include <string_view>

namespace assay::matter {

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Empty text is UTF-8.
bool IsUtf8(std::string_view text);

}  // namespace assay::matter
