// Which texts a store can hold.
#pragma once

#include <string_view>

namespace assay::db {

// UTF-8 (RFC 3629) without a zero byte. Checked before a batch is sent, because one bad item would
// fail its siblings.
bool Storable(std::string_view text);

}  // namespace assay::db
