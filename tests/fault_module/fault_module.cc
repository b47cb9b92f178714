// A PKCS#11 module that forwards every call to a real one and follows a fault list.
//
// ASSAY_FAULT_TARGET names the real module, ASSAY_FAULT_LIST the list, which is read anew whenever
// the file is replaced; calls are counted from there. A line is `FUNCTION WHEN ACTION`:
//   WHEN    N (the Nth call), N+ (the Nth and all later ones), always
//   ACTION  return CKR_NUMBER     e.g. `return 0x30`
//           delay MILLISECONDS    then the call is made
//           hang                  until the list is replaced, then the call is made
//           garbage               the call is made, and one bit of the signature turned
//           empty                 C_FindObjects finds nothing
//           twice                 C_FindObjects finds what it finds two times
//           extractable           C_GetAttributeValue says CKA_EXTRACTABLE of every key
//           flip ATTRIBUTE        and the opposite of that flag, e.g. `flip 0x109`
//           untold ATTRIBUTE      and nothing of that attribute
// ASSAY_FAULT_COUNTS, where set, names a file that tells after each call how often each function
// was called in all: a line `FUNCTION COUNT` each.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Rule {
  std::string function;
  unsigned long from = 0, to = 0;
  std::string action;
  unsigned long number = 0;
};

struct State {
  std::mutex mutex;
  std::string seen;  // which file, and of when
  std::vector<Rule> rules;
  std::map<std::string, unsigned long> since_list;
};

// Never destroyed: hanging calls outlive main.
State& TheState() {
  static State* const state = new State;
  return *state;
}

std::string Identity() {
  const char* path = std::getenv("ASSAY_FAULT_LIST");
  struct stat status {};
  if (path == nullptr || ::stat(path, &status) != 0) return "none";
  std::ostringstream text;
  text << status.st_ino << ' ' << status.st_size << ' ' << status.st_mtim.tv_sec << ' '
       << status.st_mtim.tv_nsec;
  return text.str();
}

void ReadRules(State& state) {
  state.rules.clear();
  state.since_list.clear();
  const char* path = std::getenv("ASSAY_FAULT_LIST");
  if (path == nullptr) return;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    Rule rule;
    std::string when, number;
    if (!(words >> rule.function >> when >> rule.action)) continue;
    if (words >> number) rule.number = std::strtoul(number.c_str(), nullptr, 0);
    const bool later = !when.empty() && when.back() == '+';
    rule.from = when == "always" ? 1 : std::strtoul(when.c_str(), nullptr, 10);
    rule.to = when == "always" || later ? ~0UL : rule.from;
    state.rules.push_back(rule);
  }
}

void WriteCounts(const State& state) {
  const char* path = std::getenv("ASSAY_FAULT_COUNTS");
  if (path == nullptr) return;
  const std::string next = std::string(path) + ".next";
  {
    std::ofstream file(next);
    for (const auto& [function, count] : state.since_list) file << function << ' ' << count << '\n';
  }
  std::rename(next.c_str(), path);
}

// Waits out delays and hangs; the number to return instead of calling, or CKR_OK.
CK_RV Before(const char* function, std::string& spoil, unsigned long& number) {
  State& state = TheState();
  std::vector<Rule> due;
  std::string list;
  {
    std::lock_guard lock(state.mutex);
    list = Identity();
    if (list != state.seen) {
      ReadRules(state);
      state.seen = list;
    }
    const unsigned long nth = ++state.since_list[function];
    WriteCounts(state);
    for (const Rule& rule : state.rules) {
      if (rule.function == function && rule.from <= nth && nth <= rule.to) due.push_back(rule);
    }
  }
  for (const Rule& rule : due) {
    if (rule.action == "return") return rule.number;
    if (rule.action != "delay" && rule.action != "hang") {
      spoil = rule.action;
      number = rule.number;
    }
    if (rule.action == "delay") {
      std::this_thread::sleep_for(std::chrono::milliseconds(rule.number));
    }
    while (rule.action == "hang" && Identity() == list) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  return CKR_OK;
}

CK_FUNCTION_LIST* Real() {
  static CK_FUNCTION_LIST* const real = [] {
    const char* path = std::getenv("ASSAY_FAULT_TARGET");
    void* library = path != nullptr ? ::dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    CK_FUNCTION_LIST* list = nullptr;
    if (library != nullptr) {
      const auto get =
          reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
      if (get == nullptr || get(&list) != CKR_OK) list = nullptr;
    }
    return list;
  }();
  return real;
}

// C_Sign(session, data, size, signature, size).
void Spoil(const std::string& action, unsigned long, CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG,
           CK_BYTE_PTR signature, CK_ULONG_PTR size) {
  if (action == "garbage" && signature != nullptr && *size > 40) signature[40] ^= 1;
}

// C_FindObjects(session, objects, room, count).
void Spoil(const std::string& action, unsigned long, CK_SESSION_HANDLE,
           CK_OBJECT_HANDLE_PTR objects, CK_ULONG room, CK_ULONG_PTR count) {
  if (action == "empty") *count = 0;
  if (action == "twice" && *count == 1 && room > 1) objects[(*count)++] = objects[0];
}

// C_GetAttributeValue(session, object, attributes, count).
void Spoil(const std::string& action, unsigned long number, CK_SESSION_HANDLE, CK_OBJECT_HANDLE,
           CK_ATTRIBUTE_PTR list, CK_ULONG count) {
  for (CK_ULONG i = 0; action == "extractable" && i < count; ++i) {
    if (list[i].type != CKA_EXTRACTABLE || list[i].pValue == nullptr) continue;
    *static_cast<CK_BBOOL*>(list[i].pValue) = CK_TRUE;
  }
  for (CK_ULONG i = 0; i < count; ++i) {
    if (list[i].type != number || list[i].pValue == nullptr) continue;
    if (action == "flip") *static_cast<CK_BBOOL*>(list[i].pValue) ^= 1;
    if (action == "untold") list[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
  }
}

template <typename... Others>
void Spoil(const std::string&, unsigned long, Others...) {}

// Forwards the member `Function` of the list under its name.
template <auto Function>
struct Forward;
template <typename... Arguments, CK_RV (*CK_FUNCTION_LIST::*Function)(Arguments...)>
struct Forward<Function> {
  static inline const char* name = "";
  static CK_RV Call(Arguments... arguments) {
    std::string spoil;
    unsigned long number = 0;
    if (const CK_RV rv = Before(name, spoil, number); rv != CKR_OK) return rv;
    const CK_RV rv = (Real()->*Function)(arguments...);
    if (rv == CKR_OK && !spoil.empty()) Spoil(spoil, number, arguments...);
    return rv;
  }
};

template <auto Function>
void Put(CK_FUNCTION_LIST& list, const char* name) {
  Forward<Function>::name = name;
  list.*Function = &Forward<Function>::Call;
}

CK_FUNCTION_LIST* Wrapped() {
  static CK_FUNCTION_LIST* const list = [] {
    auto* copy = new CK_FUNCTION_LIST(*Real());
#define ASSAY_FORWARD(function) Put<&CK_FUNCTION_LIST::function>(*copy, #function)
    ASSAY_FORWARD(C_Initialize);
    ASSAY_FORWARD(C_Finalize);
    ASSAY_FORWARD(C_GetSlotList);
    ASSAY_FORWARD(C_GetTokenInfo);
    ASSAY_FORWARD(C_OpenSession);
    ASSAY_FORWARD(C_CloseSession);
    ASSAY_FORWARD(C_GetSessionInfo);
    ASSAY_FORWARD(C_Login);
    ASSAY_FORWARD(C_FindObjectsInit);
    ASSAY_FORWARD(C_FindObjects);
    ASSAY_FORWARD(C_GetAttributeValue);
    ASSAY_FORWARD(C_CreateObject);
    ASSAY_FORWARD(C_DestroyObject);
    ASSAY_FORWARD(C_GenerateKey);
    ASSAY_FORWARD(C_GenerateKeyPair);
    ASSAY_FORWARD(C_UnwrapKey);
    ASSAY_FORWARD(C_GetMechanismInfo);
    ASSAY_FORWARD(C_SignInit);
    ASSAY_FORWARD(C_Sign);
    ASSAY_FORWARD(C_EncryptInit);
    ASSAY_FORWARD(C_Encrypt);
    ASSAY_FORWARD(C_DecryptInit);
    ASSAY_FORWARD(C_Decrypt);
    ASSAY_FORWARD(C_GenerateRandom);
#undef ASSAY_FORWARD
    return copy;
  }();
  return list;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(
    CK_FUNCTION_LIST_PTR_PTR list) {
  if (Real() == nullptr) return CKR_GENERAL_ERROR;
  *list = Wrapped();
  return CKR_OK;
}
