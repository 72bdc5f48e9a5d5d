// The board: an ATmega328P at 16 MHz (Arduino Uno, Nano).
//
//   D9  PB1 OC1A   gate of LED 1 (405)      D2 PD2  interlock: closed to ground = may shine
//   D10 PB2 OC1B   gate of LED 2 (488)      D0/D1   serial, 115200 baud 8N1
//   D11 PB3 OC2A   gate of LED 3 (532)
//   D3  PD3 OC2B   gate of LED 4 (633)
//
// All four gates have a pull-down of 10 kOhm: through reset and boot loader the pins float, and the LEDs stay dark.
// PWM is phase correct at 16 MHz / 510 = 31.4 kHz: 0 is really off, 255 really on, and a rolling shutter sees no bands.
#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#include "box.hpp"

namespace {

using dapiscope::Box;

volatile uint32_t g_ms = 0;
volatile uint8_t g_ring[128];
volatile uint8_t g_head = 0, g_tail = 0;
volatile bool g_lost = false;

uint32_t now_ms() {
  const uint8_t flags = SREG;
  cli();
  const uint32_t ms = g_ms;
  SREG = flags;
  return ms;
}

struct Output {
  volatile uint8_t *control, *port;
  uint8_t connect, pin;
};

const Output kOutputs[dapiscope::kLines] = {
    {&TCCR1A, &PORTB, _BV(COM1A1), _BV(PB1)},
    {&TCCR1A, &PORTB, _BV(COM1B1), _BV(PB2)},
    {&TCCR2A, &PORTB, _BV(COM2A1), _BV(PB3)},
    {&TCCR2A, &PORTD, _BV(COM2B1), _BV(PD3)},
};

void compare(uint8_t line, uint8_t count) {
  switch (line) {
    case 0: OCR1A = count; break;
    case 1: OCR1B = count; break;
    case 2: OCR2A = count; break;
    default: OCR2B = count; break;
  }
}

class Uno final : public dapiscope::Board {
 public:
  void begin() {
    for (uint8_t i = 0; i < dapiscope::kLines; ++i) drive(i, 0);
    DDRB = _BV(PB1) | _BV(PB2) | _BV(PB3);
    DDRD = _BV(PD3);
    PORTD |= _BV(PD2);  // pull-up of the interlock: an open loop or a broken wire reads high
    TCCR1A = _BV(WGM10);
    TCCR1B = _BV(CS10);
    TCCR2A = _BV(WGM20);
    TCCR2B = _BV(CS20);
    TCCR0A = _BV(WGM01);  // a tick every millisecond
    TCCR0B = _BV(CS01) | _BV(CS00);
    OCR0A = 249;
    TIMSK0 = _BV(OCIE0A);
    UBRR0 = 16;  // 115200 baud at 16 MHz, +2.1 %
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    for (uint8_t i = 0; i < sizeof(serial_) - 1; ++i) {
      const uint8_t byte = eeprom_read_byte(reinterpret_cast<const uint8_t *>(static_cast<uintptr_t>(i)));
      serial_[i] = byte > 32 && byte < 127 ? static_cast<char>(byte) : '\0';
      if (serial_[i] == '\0') break;
    }
    if (serial_[0] == '\0') serial_[0] = '0';
  }

  void drive(uint8_t line, uint8_t count) override {
    const Output &output = kOutputs[line];
    const uint8_t flags = SREG;
    cli();
    if (count == 0) {
      // The timer lets go of the pin and the port holds it low: off needs no working timer.
      *output.port &= static_cast<uint8_t>(~output.pin);
      *output.control &= static_cast<uint8_t>(~output.connect);
      compare(line, 0);
    } else {
      compare(line, count);
      *output.control |= output.connect;
    }
    SREG = flags;
  }

  bool driven(uint8_t line) const override {
    const Output &output = kOutputs[line];
    return (*output.control & output.connect) != 0 || (*output.port & output.pin) != 0;
  }

  bool interlock_open() const override { return (PIND & _BV(PD2)) != 0; }

  void send(const char *text) override {
    for (; *text != '\0'; ++text) {
      while ((UCSR0A & _BV(UDRE0)) == 0) {
      }
      UDR0 = static_cast<uint8_t>(*text);
    }
  }

  const char *serial_number() const override { return serial_; }

 private:
  char serial_[17] = {};
};

}  // namespace

// After a reset by the watchdog it is still armed: without this the board would reset for ever in its boot loader.
extern "C" void disarm_after_reset() __attribute__((naked, used, section(".init3")));
extern "C" void disarm_after_reset() {
  MCUSR = 0;
  wdt_disable();
}

ISR(TIMER0_COMPA_vect) { ++g_ms; }

ISR(USART_RX_vect) {
  if ((UCSR0A & (_BV(FE0) | _BV(DOR0))) != 0) g_lost = true;
  const uint8_t byte = UDR0;
  const uint8_t next = (g_head + 1) & (sizeof(g_ring) - 1);
  if (next == g_tail) {
    g_lost = true;
    return;
  }
  g_ring[g_head] = byte;
  g_head = next;
}

int main() {
  Uno board;
  board.begin();
  Box box(board);
  box.begin(0);
  wdt_enable(WDTO_250MS);  // a hung program resets the board, and a reset is dark
  set_sleep_mode(SLEEP_MODE_IDLE);
  sei();
  for (;;) {
    wdt_reset();
    box.poll(now_ms());
    while (g_tail != g_head) {
      const uint8_t byte = g_ring[g_tail];
      const bool lost = g_lost;
      g_lost = false;
      g_tail = (g_tail + 1) & (sizeof(g_ring) - 1);
      box.receive(byte, lost, now_ms());
      box.poll(now_ms());
      wdt_reset();
    }
    sleep_mode();  // until the next byte or millisecond
  }
}
