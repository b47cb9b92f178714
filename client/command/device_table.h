// Devices as `issue` and `fetch` show them.
#pragma once

#include <string>
#include <vector>

#include "assay/v1/types.pb.h"
#include "client/command/context.h"

namespace assay::client {

// A row a device, nothing where there is none; then, where asked for, each QR code as characters.
void PrintDevices(Context& context, const std::vector<v1::Identity>& devices, bool show_qr);

// One device for programs; codes and keys are in its folder, not on the screen.
std::string JsonLineOf(const v1::Identity& device);

}  // namespace assay::client
