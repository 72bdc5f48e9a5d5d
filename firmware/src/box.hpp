// The light box without its hardware: the Lumencor grammar, the watchdog, the interlock.
//
// Portable C++11, no heap, no floating point: the same file runs on the microcontroller and in the tests on a PC.
// Every complete line gets exactly one answer, "A NAME values" or "E NAME". Noise, over-long lines and unknown words
// are refused and change nothing.
#pragma once

#include <stdint.h>

namespace dapiscope {

constexpr uint8_t kLines = 4;
constexpr uint8_t kMaxIntensity = 255;  // what the 8-bit timers give at 31 kHz
constexpr uint8_t kMaxCommand = 63;     // bytes of a line; a longer one is noise
constexpr uint16_t kWatchdogLeastMs = 100;
constexpr uint16_t kWatchdogMostMs = 60000;

// What the box needs of a board.
class Board {
 public:
  // Let one LED shine with `count` of 255 parts; 0 holds the gate low.
  virtual void drive(uint8_t line, uint8_t count) = 0;
  // Whether the output of that LED is driven, as the output stage itself says.
  virtual bool driven(uint8_t line) const = 0;
  virtual bool interlock_open() const = 0;
  virtual void send(const char *text) = 0;
  virtual const char *serial_number() const = 0;

 protected:
  ~Board() = default;
};

class Box {
 public:
  explicit Box(Board &board) : board_(board) {}

  // Everything off, watchdog off, as after a reset.
  void begin(uint32_t now_ms);
  // One byte from the line; `damaged` when it arrived with a framing error or bytes before it were lost.
  void receive(uint8_t byte, bool damaged, uint32_t now_ms);
  // To be called at least every millisecond: watchdog and interlock.
  void poll(uint32_t now_ms);

 private:
  struct Words {
    char *word[8];
    uint8_t count;
  };

  void obey(uint32_t now_ms);
  bool get(const Words &words);
  bool set(const Words &words);
  bool get_one(const Words &words);
  bool set_one(const Words &words);
  bool set_all(const Words &words);
  bool switch_to(const bool (&wanted)[kLines]);
  bool set_watchdog(const Words &words);
  void dark();
  void apply();

  void add(const char *text);
  void add(uint32_t number);
  void answer_all(uint32_t (*value)(const Box &, uint8_t));

  Board &board_;
  bool on_[kLines] = {};
  uint8_t counts_[kLines] = {};
  uint16_t watchdog_ms_ = 0;
  uint16_t trips_ = 0;
  uint32_t fed_ms_ = 0;

  char line_[kMaxCommand + 1] = {};
  uint8_t length_ = 0;
  bool bad_ = false;
  char out_[96] = {};
  uint8_t used_ = 0;
};

}  // namespace dapiscope
