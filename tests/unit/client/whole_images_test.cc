#include "client/whole_images.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.h"
#include "client/identity_check.h"

namespace assay::client {
namespace {

v1::ImageFile* AddImage(v1::Identity& identity, const std::string& content, uint64_t size) {
  v1::ImageFile* image = identity.add_images();
  image->set_content(content);
  image->set_size(size);
  std::string whole = content;
  if (size < 1000) whole.resize(std::max<size_t>(size, content.size()), '\xFF');
  const Sha256Digest digest = Sha256(AsBytes(whole));
  image->set_sha256(std::string(digest.begin(), digest.end()));
  return image;
}

TEST(WholeImages, WhatWasLeftOutIsPutBack) {
  v1::Identity identity;
  AddImage(identity, "nvs", 32);
  AddImage(identity, "whole", 5);
  MakeImagesWhole(identity);
  EXPECT_EQ(identity.images(0).content(), "nvs" + std::string(29, '\xFF'));
  EXPECT_EQ(identity.images(1).content(), "whole");
  EXPECT_TRUE(CheckIdentity(identity, {}).ok()) << CheckIdentity(identity, {});
}

TEST(WholeImages, AWithheldImageStaysEmpty) {
  v1::Identity identity;
  AddImage(identity, "", 32)->set_withheld(true);
  MakeImagesWhole(identity);
  EXPECT_EQ(identity.images(0).content(), "");
}

TEST(WholeImages, ASizeNoFlashHasIsFoundOut) {
  v1::Identity identity;
  AddImage(identity, "nvs", uint64_t{1} << 40)->set_sha256(std::string(32, '\1'));
  MakeImagesWhole(identity);
  EXPECT_EQ(identity.images(0).content(), "nvs");
  EXPECT_FALSE(CheckIdentity(identity, {}).ok());
}

}  // namespace
}  // namespace assay::client
