#include "tlog/note.h"

#include <gtest/gtest.h>

#include "tests/unit/tlog/small_log.h"

namespace assay::tlog {
namespace {

// From the documentation of golang.org/x/mod/sumdb/note.
constexpr char kGoKey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr char kGoNote[] =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\xE2\x80\x94 PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

TEST(Note, GosExampleOpens) {
  const auto key = NoteKey::Parse(kGoKey);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->ToText(), kGoKey);
  const auto note = OpenNote(kGoNote, {&*key, 1});
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(WriteNote(*note), kGoNote);
}

TEST(Note, AnEcdsaKeysIdIsTheHashOfItsSpkiAlone) {
  // Sigstore's Rekor log: its log id begins with c0d23d6a, whatever it is named.
  const auto spki = FromBase64(
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8"
      "Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==");
  const auto key = NoteKey::OfP256("rekor.sigstore.dev", ByteView(*spki).subspan(26));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(ToHex(key->id()), "c0d23d6a");
  EXPECT_EQ(NoteKey::OfP256("another", ByteView(*spki).subspan(26))->id(), key->id());
  const auto again = NoteKey::Parse(key->ToText());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->ToText(), key->ToText());
}

TEST(Note, AKeyWithTheIdOfTheOtherFormulaIsRefused) {
  const NoteKey key = TestKey().Public();
  const std::string text = key.ToText();
  std::string blob = text.substr(text.rfind('+') + 1);
  for (size_t at = 0; at < text.size(); ++at) {
    // base64 may hold '+': split at the first two only.
    if (text.find('+', text.find('+') + 1) != at) continue;
    blob = text.substr(at + 1);
  }
  Bytes hashed = ToBytes(AsBytes(key.name() + "\n"));
  Append(hashed, *FromBase64(blob));
  const std::string other = ToHex(ByteView(Sha256(hashed)).first(4));
  EXPECT_REFUSED(NoteKey::Parse(key.name() + "+" + other + "+" + blob).status(), FIELD_MALFORMED);
  EXPECT_TRUE(NoteKey::Parse(text).ok());
}

TEST(Note, MalformedKeysAreRefused) {
  const std::string good = TestKey().Public().ToText();
  const std::string body = good.substr(good.find('+'));
  for (const std::string& bad : std::vector<std::string>{
           std::string(), std::string("name"), std::string("name+00000000"), body,
           "two words" + body, "a\xE2\x80\xA8z" + body, "name+00000000+!!!", "name+00000000+Ag==",
           // Type 7; a compressed point.
           std::string("name+00000000+B2FiY2Q="),
           "name+00000000+" +
               ToBase64(*FromHex("023039301306072a8648ce3d020106082a8648ce3d030107032200"
                                 "03d86d98fb6b5a6dd4d5e41706881231d1af5f005c2b9016e62d21"
                                 "ad92ce0bdea5"))}) {
    EXPECT_REFUSED(NoteKey::Parse(bad).status(), FIELD_MALFORMED) << bad;
  }
}

TEST(Note, TheTextEndsAtTheLastEmptyLine) {
  const TestKey key;
  const std::string text = "one\n\ntwo\n";
  const auto note = ParseNote(WriteNote({text, {key.Sign(text)}}));
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(note->text, text);
}

TEST(Note, OnlyLfBreaksLines) {
  // U+2028 and U+0085 are part of the text, and of what is signed.
  const TestKey key;
  const NoteKey known = key.Public();
  const std::string text = "one\xE2\x80\xA8two\xC2\x85three\n";
  const auto note = OpenNote(WriteNote({text, {key.Sign(text)}}), {&known, 1});
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(note->text, text);
}

TEST(Note, MalformedNotesAreRefused) {
  const TestKey key;
  const std::string good = WriteNote({"text\n", {key.Sign("text\n")}});
  ASSERT_TRUE(ParseNote(good).ok());
  const std::string line = good.substr(good.find("\n\n") + 2);
  for (const std::string& bad : std::vector<std::string>{
           std::string(), std::string("text\n"), std::string("text\n\n"), "text\n" + line,
           good.substr(0, good.size() - 1), "te\rxt\n\n" + line, "te\xFFxt\n\n" + line,
           "text\n\n-" + line.substr(3), good + "more\n",
           std::string("text\n\n\xE2\x80\x94 name AAAA\n"),
           std::string("text\n\n\xE2\x80\x94 na+me AAAAAAAA\n")}) {
    EXPECT_REFUSED(ParseNote(bad).status(), FIELD_MALFORMED) << bad;
  }
  std::string crowd = "text\n\n";
  for (int i = 0; i < 16; ++i) crowd += line;
  EXPECT_TRUE(ParseNote(crowd).ok());
  for (int i = 0; i < 100; ++i) crowd += line;
  EXPECT_REFUSED(ParseNote(crowd).status(), FIELD_MALFORMED);
}

TEST(Note, ASecondKeyOfTheSameNameIsToldApartByItsId) {
  const TestKey ours("log"), other("log");
  const NoteKey known = ours.Public();
  const std::string text = "text\n";
  EXPECT_TRUE(OpenNote(WriteNote({text, {other.Sign(text), ours.Sign(text)}}), {&known, 1}).ok());
  EXPECT_REFUSED(OpenNote(WriteNote({text, {other.Sign(text)}}), {&known, 1}).status(),
                 NOTE_UNTRUSTED);
}

TEST(Note, OneWrongLineOfAKnownKeyRejectsTheNote) {
  const TestKey key;
  const NoteKey known = key.Public();
  const std::string text = "text\n";
  const NoteSignature right = key.Sign(text), wrong = key.Sign("other\n");
  EXPECT_REFUSED(OpenNote(WriteNote({text, {right, wrong}}), {&known, 1}).status(), NOTE_UNTRUSTED);
  EXPECT_REFUSED(OpenNote(WriteNote({text, {wrong, right}}), {&known, 1}).status(), NOTE_UNTRUSTED);
  EXPECT_REFUSED(OpenNote(WriteNote({text, {right}}), {}).status(), NOTE_UNTRUSTED);
}

TEST(Note, ARawSignatureInPlaceOfDerIsRefused) {
  const TestKey key;
  const NoteKey known = key.Public();
  NoteSignature line = key.Sign("text\n");
  const auto raw = matter::SignatureFromDer(line.signature);
  ASSERT_TRUE(raw.ok());
  line.signature = ToBytes(*raw);
  EXPECT_REFUSED(OpenNote(WriteNote({"text\n", {line}}), {&known, 1}).status(), NOTE_UNTRUSTED);
}

}  // namespace
}  // namespace assay::tlog
