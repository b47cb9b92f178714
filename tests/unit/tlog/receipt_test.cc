#include "tlog/receipt.h"

#include <gtest/gtest.h>

#include "tests/unit/tlog/small_log.h"

namespace assay::tlog {
namespace {

std::string ReceiptOf(SmallLog& log, const TestKey& key, uint64_t index, uint64_t size) {
  return WriteReceipt({log.entries[index], index, *Prover(log, size).Inclusion(index),
                       key.SignedNote(log.At(size))});
}

TEST(Checkpoint, TextAndParsingAreInverse) {
  const SmallLog log(5);
  const std::string text = CheckpointText(log.At(5));
  EXPECT_EQ(text, "assay.test/ledger\n5\n" + ToBase64(log.RootAt(5)) + "\n");
  const auto parsed = ParseCheckpoint(text + "extension\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->size, 5u);
  EXPECT_EQ(parsed->extensions, std::vector<std::string>{"extension"});
}

TEST(Checkpoint, MalformedOnesAreRefused) {
  const std::string root = ToBase64(SmallLog(5).RootAt(5));
  for (const std::string& bad : std::vector<std::string>{
           std::string(), std::string("o\n5\n"), "\n5\n" + root + "\n", "o\n05\n" + root + "\n",
           "o\n-5\n" + root + "\n", "o\n+5\n" + root + "\n", "o\n\n" + root + "\n",
           "o\n9223372036854775808\n" + root + "\n", "o\n5\n" + root, "o\n5\nAAAA\n",
           "o\n5\n" + root + "\n\n", "o\n5\n " + root + "\n", "o\n0\n" + root + "\n"}) {
    EXPECT_REFUSED(ParseCheckpoint(bad).status(), FIELD_MALFORMED) << bad;
  }
}

TEST(Checkpoint, OneOfAnotherOriginIsNotTheKeys) {
  const TestKey key;
  Checkpoint checkpoint = SmallLog(5).At(5);
  EXPECT_TRUE(OpenCheckpoint(key.SignedNote(checkpoint), key.Public()).ok());
  checkpoint.origin = "another.test/ledger";
  EXPECT_REFUSED(OpenCheckpoint(key.SignedNote(checkpoint), key.Public()).status(), NOTE_UNTRUSTED);
}

TEST(Checkpoint, WitnessesAreCounted) {
  const TestKey key, witness("witness.test");
  const std::string text = CheckpointText(SmallLog(5).At(5));
  const std::string alone = WriteNote({text, {key.Sign(text)}});
  const std::string both = WriteNote({text, {key.Sign(text), witness.Sign(text)}});
  const std::string wrong = WriteNote({text, {key.Sign(text), witness.Sign("x\n")}});
  const NoteKey known = witness.Public();
  EXPECT_TRUE(OpenCheckpoint(both, key.Public(), {&known, 1}, 1).ok());
  EXPECT_TRUE(OpenCheckpoint(alone, key.Public(), {&known, 1}, 0).ok());
  EXPECT_REFUSED(OpenCheckpoint(alone, key.Public(), {&known, 1}, 1).status(), NOTE_UNTRUSTED);
  EXPECT_REFUSED(OpenCheckpoint(wrong, key.Public(), {&known, 1}, 0).status(), NOTE_UNTRUSTED);
}

TEST(Receipt, ProvesItsEntryUnderThePublicKeyAlone) {
  SmallLog log(300);
  const TestKey key;
  for (const uint64_t index : {0, 1, 255, 256, 299}) {
    const auto proved = VerifyReceipt(ReceiptOf(log, key, index, 300), key.Public());
    ASSERT_TRUE(proved.ok()) << proved.status();
    EXPECT_EQ(proved->entry, log.entries[index]);
    EXPECT_EQ(proved->index, index);
    EXPECT_EQ(proved->checkpoint.size, 300u);
  }
}

TEST(Receipt, OfASingleEntryHasNoHashes) {
  SmallLog log(1);
  const TestKey key;
  EXPECT_TRUE(VerifyReceipt(ReceiptOf(log, key, 0, 1), key.Public()).ok());
}

TEST(Receipt, OfAnotherDeviceIsRefused) {
  SmallLog log(10);
  const TestKey key;
  auto receipt = ParseReceipt(ReceiptOf(log, key, 3, 10));
  ASSERT_TRUE(receipt.ok());
  receipt->entry = log.entries[4];
  EXPECT_REFUSED(VerifyReceipt(WriteReceipt(*receipt), key.Public()).status(), PROOF_INVALID);
}

TEST(Receipt, AnAlteredProofIsRefused) {
  SmallLog log(10);
  const TestKey key;
  const auto good = ParseReceipt(ReceiptOf(log, key, 3, 10));
  ASSERT_TRUE(good.ok());
  Receipt changed = *good;
  changed.index = 2;
  EXPECT_REFUSED(VerifyReceipt(WriteReceipt(changed), key.Public()).status(), PROOF_INVALID);
  changed = *good;
  changed.path[1][0] ^= 0x80;
  EXPECT_REFUSED(VerifyReceipt(WriteReceipt(changed), key.Public()).status(), PROOF_INVALID);
}

TEST(Receipt, ACheckpointOfAnotherKeyIsRefused) {
  SmallLog log(10);
  const TestKey key, other;
  EXPECT_REFUSED(VerifyReceipt(ReceiptOf(log, other, 3, 10), key.Public()).status(),
                 NOTE_UNTRUSTED);
}

TEST(Receipt, TheSizeIsTheSignedOneAndNothingElse) {
  // The path of 2 in 3 also fits 1 in 2; under a checkpoint of size 3 only the truth passes.
  SmallLog log(3);
  const TestKey key;
  auto receipt = ParseReceipt(ReceiptOf(log, key, 2, 3));
  ASSERT_TRUE(receipt.ok());
  receipt->index = 1;
  EXPECT_REFUSED(VerifyReceipt(WriteReceipt(*receipt), key.Public()).status(), PROOF_INVALID);
  EXPECT_EQ(WriteReceipt(*receipt).find("size"), std::string::npos);
}

TEST(Receipt, MalformedOnesAreRefused) {
  SmallLog log(10);
  const TestKey key;
  const std::string good = ReceiptOf(log, key, 3, 10);
  const auto replaced = [&](const std::string& what, const std::string& with) {
    std::string text = good;
    return text.replace(text.find(what), what.size(), with);
  };
  for (const std::string& bad : std::vector<std::string>{
           std::string(), replaced("@v1", "@v2"), replaced("extra ", "Extra "),
           replaced("index 3", "index 03"), replaced("index 3", "index -3"),
           replaced("index 3\n", ""), replaced("\n\nassay", "\nassay"), good.substr(0, 60),
           replaced("index 3\n", "index 3\n" + std::string(40, 'A') + "\n")}) {
    EXPECT_REFUSED(VerifyReceipt(bad, key.Public()).status(), FIELD_MALFORMED) << bad;
  }
  // Every byte changed in turn, all but the base64 characters whose low bits are padding.
  int passed = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string text = good;
    text[i] ^= 0x01;
    passed += VerifyReceipt(text, key.Public()).ok() ? 1 : 0;
  }
  EXPECT_EQ(passed, 0);
}

}  // namespace
}  // namespace assay::tlog
