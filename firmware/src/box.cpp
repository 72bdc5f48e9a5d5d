#include "box.hpp"

#include <string.h>

#ifndef CHANNEL_NAMES
#define CHANNEL_NAMES "405 488 532 633"
#endif

namespace dapiscope {
namespace {

const char kModel[] = "dapiscope LED4";
const char kVersion[] = "1.0.0";
const uint8_t kSafetyLock = 4;  // GET STAT
const uint8_t kInterlock = 60;  // GET MULCHSTAT

bool is(const char *word, const char *name) { return strcmp(word, name) == 0; }

// A whole number 0…most, digits only; false for anything else.
bool number(const char *word, uint32_t most, uint32_t &value) {
  value = 0;
  uint8_t digits = 0;
  for (; word[digits] != '\0'; ++digits) {
    if (word[digits] < '0' || word[digits] > '9' || digits == 6) return false;
    value = value * 10 + static_cast<uint32_t>(word[digits] - '0');
  }
  return digits > 0 && value <= most;
}

}  // namespace

void Box::begin(uint32_t now_ms) {
  dark();
  for (uint8_t i = 0; i < kLines; ++i) counts_[i] = 0;
  watchdog_ms_ = 0;
  trips_ = 0;
  fed_ms_ = now_ms;
  length_ = 0;
  bad_ = false;
}

void Box::dark() {
  for (uint8_t i = 0; i < kLines; ++i) {
    on_[i] = false;
    board_.drive(i, 0);
  }
}

// Dark lines first, so that two never shine together while one follows the other.
void Box::apply() {
  for (uint8_t i = 0; i < kLines; ++i)
    if (!on_[i]) board_.drive(i, 0);
  for (uint8_t i = 0; i < kLines; ++i)
    if (on_[i]) board_.drive(i, counts_[i]);
}

void Box::poll(uint32_t now_ms) {
  bool lit = false;
  for (uint8_t i = 0; i < kLines; ++i) lit = lit || on_[i];
  if (!lit) return;
  if (board_.interlock_open()) {
    dark();
  } else if (watchdog_ms_ != 0 && static_cast<uint32_t>(now_ms - fed_ms_) >= watchdog_ms_) {
    dark();
    ++trips_;
  }
}

void Box::receive(uint8_t byte, bool damaged, uint32_t now_ms) {
  bad_ = bad_ || damaged;
  if (byte == '\n') {
    line_[length_] = '\0';
    obey(now_ms);
    length_ = 0;
    bad_ = false;
    return;
  }
  if (byte == '\r') return;
  if (byte == '\t') byte = ' ';
  if (byte < 32 || byte > 126 || length_ == kMaxCommand) {
    bad_ = true;
    return;
  }
  line_[length_++] = static_cast<char>(byte);
}

void Box::obey(uint32_t now_ms) {
  Words words = {{}, 0};
  bool fits = !bad_;
  for (char *at = fits ? line_ : nullptr; at != nullptr && *at != '\0';) {
    while (*at == ' ') *at++ = '\0';
    if (*at == '\0') break;
    if (words.count == 8) {
      fits = false;
      break;
    }
    words.word[words.count++] = at;
    while (*at != ' ' && *at != '\0') ++at;
  }
  const bool getting = fits && words.count >= 2 && is(words.word[0], "GET");
  const bool setting = fits && words.count >= 2 && is(words.word[0], "SET");
  used_ = 0;
  out_[0] = '\0';
  if (getting || setting) {
    add("A ");
    add(words.word[1]);
    poll(now_ms);
    if (getting ? get(words) : set(words)) {
      add("\r\n");
      fed_ms_ = now_ms;  // only a command that is obeyed feeds the watchdog
      board_.send(out_);
      return;
    }
  }
  board_.send("E ");
  board_.send((getting || setting) ? words.word[1] : "UNKNOWNCMD");
  board_.send("\r\n");
}

bool Box::get(const Words &words) {
  const char *name = words.word[1];
  if (words.count == 3) return get_one(words);
  if (words.count != 2) return false;
  const char *text = is(name, "VER")         ? kVersion
                     : is(name, "MODEL")     ? kModel
                     : is(name, "SN")        ? board_.serial_number()
                     : is(name, "CHMAP")     ? CHANNEL_NAMES
                     : is(name, "ERRORTEXT") ? (board_.interlock_open() ? "Interlock open" : "No error")
                                             : nullptr;
  if (text != nullptr) {
    add(" ");
    add(text);
  } else if (is(name, "NUMCH")) {
    add(static_cast<uint32_t>(kLines));
  } else if (is(name, "MAXINT")) {
    add(static_cast<uint32_t>(kMaxIntensity));
  } else if (is(name, "STAT")) {
    add(static_cast<uint32_t>(board_.interlock_open() ? kSafetyLock : 0));
  } else if (is(name, "WDT")) {
    add(static_cast<uint32_t>(watchdog_ms_));
  } else if (is(name, "WDTSTAT")) {
    add(static_cast<uint32_t>(watchdog_ms_ != 0));
    add(static_cast<uint32_t>(trips_));
  } else if (is(name, "MULCH")) {
    answer_all([](const Box &box, uint8_t i) -> uint32_t { return box.on_[i]; });
  } else if (is(name, "MULCHACT")) {
    // On at intensity 0 is on; an output that is driven is on whatever was commanded.
    answer_all([](const Box &box, uint8_t i) -> uint32_t { return box.board_.driven(i) || box.on_[i]; });
  } else if (is(name, "MULCHINT")) {
    answer_all([](const Box &box, uint8_t i) -> uint32_t { return box.counts_[i]; });
  } else if (is(name, "MULCHSTAT")) {
    answer_all([](const Box &box, uint8_t) -> uint32_t { return box.board_.interlock_open() ? kInterlock : 0; });
  } else {
    return false;
  }
  return true;
}

void Box::answer_all(uint32_t (*value)(const Box &, uint8_t)) {
  for (uint8_t i = 0; i < kLines; ++i) add(value(*this, i));
}

bool Box::get_one(const Words &words) {
  uint32_t line = 0;
  if (!number(words.word[2], kLines - 1, line)) return false;
  const uint8_t i = static_cast<uint8_t>(line);
  const char *name = words.word[1];
  if (is(name, "CH")) {
    add(static_cast<uint32_t>(on_[i]));
  } else if (is(name, "CHACT")) {
    add(static_cast<uint32_t>(board_.driven(i) || on_[i]));
  } else if (is(name, "CHINT")) {
    add(static_cast<uint32_t>(counts_[i]));
  } else if (is(name, "MAXINT")) {
    add(static_cast<uint32_t>(kMaxIntensity));
  } else {
    return false;
  }
  return true;
}

bool Box::set(const Words &words) {
  const char *name = words.word[1];
  if (is(name, "CH") || is(name, "CHINT")) return words.count == 4 && set_one(words);
  if (is(name, "MULCH") || is(name, "MULCHINT")) return words.count == 2 + kLines && set_all(words);
  if (is(name, "WDT")) return words.count == 3 && set_watchdog(words);
  return false;
}

bool Box::set_one(const Words &words) {
  const bool switching = is(words.word[1], "CH");
  uint32_t line = 0, value = 0;
  if (!number(words.word[2], kLines - 1, line)) return false;
  if (!number(words.word[3], switching ? 1 : kMaxIntensity, value)) return false;
  if (!switching) {
    counts_[line] = static_cast<uint8_t>(value);
    apply();
    return true;
  }
  bool wanted[kLines];
  for (uint8_t i = 0; i < kLines; ++i) wanted[i] = i == line ? value != 0 : on_[i];
  return switch_to(wanted);
}

bool Box::set_all(const Words &words) {
  const bool switching = is(words.word[1], "MULCH");
  uint32_t values[kLines];
  for (uint8_t i = 0; i < kLines; ++i)
    if (!number(words.word[2 + i], switching ? 1 : kMaxIntensity, values[i])) return false;
  if (!switching) {
    for (uint8_t i = 0; i < kLines; ++i) counts_[i] = static_cast<uint8_t>(values[i]);
    apply();
    return true;
  }
  bool wanted[kLines];
  for (uint8_t i = 0; i < kLines; ++i) wanted[i] = values[i] != 0;
  return switch_to(wanted);
}

bool Box::switch_to(const bool (&wanted)[kLines]) {
  bool any = false;
  for (uint8_t i = 0; i < kLines; ++i) any = any || wanted[i];
  if (any && board_.interlock_open()) return false;
  for (uint8_t i = 0; i < kLines; ++i) on_[i] = wanted[i];
  apply();
  return true;
}

bool Box::set_watchdog(const Words &words) {
  uint32_t value = 0;
  if (!number(words.word[2], kWatchdogMostMs, value)) return false;
  if (value != 0 && value < kWatchdogLeastMs) return false;
  watchdog_ms_ = static_cast<uint16_t>(value);
  return true;
}

void Box::add(const char *text) {
  while (*text != '\0' && used_ < sizeof(out_) - 1) out_[used_++] = *text++;
  out_[used_] = '\0';
}

void Box::add(uint32_t value) {
  char digits[12];
  uint8_t at = sizeof(digits) - 1;
  digits[at] = '\0';
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  add(" ");
  add(&digits[at]);
}

}  // namespace dapiscope
