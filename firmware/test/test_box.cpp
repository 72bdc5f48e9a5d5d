// Tests of the portable part on a PC: make test
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "../src/box.hpp"

namespace {

int g_failed = 0;

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
      ++g_failed;                                                     \
    }                                                                 \
  } while (false)

struct Bench final : dapiscope::Board {
  int counts[4] = {9, 9, 9, 9};
  bool open = false;
  int most_lit = 0;
  std::string sent;

  void drive(uint8_t line, uint8_t count) override {
    counts[line] = count;
    if (lit() > most_lit) most_lit = lit();
  }
  bool driven(uint8_t line) const override { return counts[line] > 0; }
  bool interlock_open() const override { return open; }
  void send(const char *text) override { sent += text; }
  const char *serial_number() const override { return "77"; }
  int lit() const { return (counts[0] > 0) + (counts[1] > 0) + (counts[2] > 0) + (counts[3] > 0); }
};

struct Rig {
  Bench board;
  dapiscope::Box box{board};
  uint32_t ms = 4294967000u;  // just before the millisecond counter wraps

  Rig() {
    box.begin(ms);
    board.most_lit = 0;
  }
  std::string say(const std::string &text) {
    board.sent.clear();
    for (char byte : text) box.receive(static_cast<uint8_t>(byte), false, ms);
    return board.sent;
  }
  void wait(int milliseconds) {
    for (int i = 0; i < milliseconds; ++i) box.poll(++ms);
  }
};

void starts_dark() {
  Rig rig;
  CHECK(rig.board.lit() == 0);
}

void says_who_it_is() {
  Rig rig;
  CHECK(rig.say("GET VER\n") == "A VER 1.0.0\r\n");
  CHECK(rig.say("GET MODEL\n") == "A MODEL dapiscope LED4\r\n");
  CHECK(rig.say("GET SN\n") == "A SN 77\r\n");
  CHECK(rig.say("GET NUMCH\n") == "A NUMCH 4\r\n");
  CHECK(rig.say("GET CHMAP\n") == "A CHMAP 405 488 532 633\r\n");
  CHECK(rig.say("GET MAXINT\n") == "A MAXINT 255\r\n");
  CHECK(rig.say("GET MAXINT 3\r\n") == "A MAXINT 255\r\n");
}

void switches_and_reads_back() {
  Rig rig;
  CHECK(rig.say("SET CHINT 1 200\n") == "A CHINT\r\n");
  CHECK(rig.board.lit() == 0);
  CHECK(rig.say("SET MULCH 0 1 0 0\n") == "A MULCH\r\n");
  CHECK(rig.board.counts[1] == 200);
  CHECK(rig.say("GET MULCHACT\n") == "A MULCHACT 0 1 0 0\r\n");
  CHECK(rig.say("GET MULCHINT\n") == "A MULCHINT 0 200 0 0\r\n");
  CHECK(rig.say("SET CHINT 3 9\nSET MULCH 0 0 0 1\n") == "A CHINT\r\nA MULCH\r\n");
  CHECK(rig.board.counts[1] == 0 && rig.board.counts[3] == 9);
  CHECK(rig.board.most_lit == 1);
  CHECK(rig.say("SET CH 3 0\n") == "A CH\r\n");
  CHECK(rig.board.lit() == 0);
}

void refuses_what_is_out_of_range() {
  Rig rig;
  const char *bad[] = {"SET CHINT 1 256\n", "SET CHINT 4 1\n",     "SET CH 0 2\n",        "SET CH 0 -1\n",
                       "SET MULCH 1 0 0\n", "SET MULCH 1 0 0 0 0\n", "SET CHINT 0 1.5\n", "SET CH 0 0000001\n",
                       "SET WDT 99\n",      "SET WDT 60001\n",     "GET CH 4\n",          "GET MULCH 0\n"};
  for (const char *command : bad) {
    const std::string said = rig.say(command);
    CHECK(said.substr(0, 2) == "E " && said.find("UNKNOWN") == std::string::npos);
  }
  for (const char *command : {"\n", "GET\n", "set ch 0 1\n", "HELLO\n", "GET \x01\n", "SET CH 0 1 2 3 4 5 6 7\n"})
    CHECK(rig.say(command) == "E UNKNOWNCMD\r\n");
  CHECK(rig.board.lit() == 0);
}

void an_overlong_or_damaged_line_is_one_refusal() {
  Rig rig;
  CHECK(rig.say(std::string(5000, 'x') + " SET MULCH 1 1 1 1\n") == "E UNKNOWNCMD\r\n");
  rig.say("SET MULCHINT 9 9 9 9\n");
  rig.board.sent.clear();
  const std::string command = "SET MULCH 1 0 0 0\n";
  for (std::size_t i = 0; i < command.size(); ++i)
    rig.box.receive(static_cast<uint8_t>(command[i]), i == 5, rig.ms);
  CHECK(rig.board.sent == "E UNKNOWNCMD\r\n");
  CHECK(rig.board.lit() == 0);
  CHECK(rig.say("SET MULCH 1 0 0 0\n") == "A MULCH\r\n");
}

void the_watchdog_is_off_until_set_and_then_strikes() {
  Rig rig;
  rig.say("SET CHINT 0 100\nSET CH 0 1\n");
  rig.wait(5000);
  CHECK(rig.board.lit() == 1);
  CHECK(rig.say("SET WDT 200\n") == "A WDT\r\n");
  rig.wait(199);
  CHECK(rig.board.lit() == 1);
  rig.say("GET STAT\n");
  rig.wait(150);
  rig.say("noise\n\n\n");  // does not feed it
  rig.wait(49);
  CHECK(rig.board.lit() == 1);
  rig.wait(1);
  CHECK(rig.board.lit() == 0);
  CHECK(rig.say("GET WDTSTAT\n") == "A WDTSTAT 1 1\r\n");
  CHECK(rig.say("GET MULCH\n") == "A MULCH 0 0 0 0\r\n");
  CHECK(rig.say("SET WDT 0\nGET WDTSTAT\n") == "A WDT\r\nA WDTSTAT 0 1\r\n");
}

void the_interlock_is_dark_and_stays_dark() {
  Rig rig;
  rig.say("SET CHINT 2 50\nSET CH 2 1\n");
  rig.board.open = true;
  rig.wait(1);
  CHECK(rig.board.lit() == 0);
  CHECK(rig.say("GET STAT\n") == "A STAT 4\r\n");
  CHECK(rig.say("GET MULCHSTAT\n") == "A MULCHSTAT 60 60 60 60\r\n");
  CHECK(rig.say("SET CH 2 1\n") == "E CH\r\n");
  CHECK(rig.say("SET MULCH 0 0 0 0\n") == "A MULCH\r\n");
  rig.board.open = false;
  rig.wait(100);
  CHECK(rig.board.lit() == 0);
}

void a_stuck_output_is_read_back() {
  Rig rig;
  rig.board.counts[1] = 7;
  CHECK(rig.say("GET MULCHACT\n") == "A MULCHACT 0 1 0 0\r\n");
}

void noise_lights_nothing() {
  Rig rig;
  std::mt19937 random(1);
  for (int i = 0; i < 2000000; ++i) rig.box.receive(static_cast<uint8_t>(random()), random() % 100 == 0, rig.ms);
  CHECK(rig.board.most_lit == 0);
}

}  // namespace

int main() {
  void (*tests[])() = {starts_dark,
                       says_who_it_is,
                       switches_and_reads_back,
                       refuses_what_is_out_of_range,
                       an_overlong_or_damaged_line_is_one_refusal,
                       the_watchdog_is_off_until_set_and_then_strikes,
                       the_interlock_is_dark_and_stays_dark,
                       a_stuck_output_is_read_back,
                       noise_lights_nothing};
  for (auto test : tests) test();
  std::printf("%zu tests, %d checks failed\n", sizeof(tests) / sizeof(tests[0]), g_failed);
  return g_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
