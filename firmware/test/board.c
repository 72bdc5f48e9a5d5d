/* The real firmware on a simulated ATmega328P (simavr), its serial line on a pseudo-terminal.
 *
 * On stdout, among simavr's own words: "pty" and the path; then "light" at each change of it, with this machine's
 * monotonic seconds, the board's own microseconds, and the four levels as the output stage drives its pins, in parts
 * of 255. On stdin: "open" and "close" the interlock, "reset" the board; "mark" is repeated; "timers"
 * tells the control registers of timers 1 and 2; "quit" or the end ends it.
 *
 * gcc -I/usr/include/simavr board.c -lsimavr -lelf
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "avr_ioport.h"
#include "avr_uart.h"
#include "sim_avr.h"
#include "sim_elf.h"

enum { DDRB = 0x24, PORTB = 0x25, DDRD = 0x2a, PORTD = 0x2b, TCCR1A = 0x80, TCCR2A = 0xb0 };
enum { OCR1A = 0x88, OCR1B = 0x8a, OCR2A = 0xb3, OCR2B = 0xb4 };

static int master, may_send = 1;

static void sent(struct avr_irq_t *irq, uint32_t value, void *unused) {
  (void)irq, (void)unused;
  unsigned char byte = value;
  if (write(master, &byte, 1) < 0) return; /* nobody reads: a real line loses it too */
}

static void hold(struct avr_irq_t *irq, uint32_t value, void *unused) {
  (void)irq, (void)value, (void)unused;
  may_send = 0;
}

static void go_on(struct avr_irq_t *irq, uint32_t value, void *unused) {
  (void)irq, (void)value, (void)unused;
  may_send = 1;
}

/* What a pin drives: its timer's duty where that is connected, else the port; nothing while it is an input. */
static int level(const avr_t *avr, int ddr, int port, int pin, int control, int connect, int duty) {
  const uint8_t *data = avr->data;
  if (!(data[ddr] >> pin & 1)) return 0;
  if (data[control] >> connect & 1) return data[duty];
  return data[port] >> pin & 1 ? 255 : 0;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static void watch(const avr_t *avr) {
  static int before[4] = {-1, -1, -1, -1};
  const int now[4] = {
      level(avr, DDRB, PORTB, 1, TCCR1A, 7, OCR1A),
      level(avr, DDRB, PORTB, 2, TCCR1A, 5, OCR1B),
      level(avr, DDRB, PORTB, 3, TCCR2A, 7, OCR2A),
      level(avr, DDRD, PORTD, 3, TCCR2A, 5, OCR2B),
  };
  if (memcmp(before, now, sizeof now) == 0) return;
  memcpy(before, now, sizeof now);
  printf("light %.6f %llu %d %d %d %d\n", seconds(), (unsigned long long)(avr->cycle * 1000000ull / avr->frequency), now[0],
         now[1], now[2], now[3]);
}

/* The loop pulls the pin low while it is closed, against the pull-up inside. */
static void interlock(avr_t *avr, int open) {
  avr_ioport_external_t loop = {.name = 'D', .mask = 1 << 2, .value = open ? 1 << 2 : 0};
  avr_ioctl(avr, AVR_IOCTL_IOPORT_SET_EXTERNAL('D'), &loop);
  avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), 2), open);
}

static int obey(avr_t *avr, int *open) {
  char text[64];
  const ssize_t got = read(STDIN_FILENO, text, sizeof text - 1);
  if (got == 0) return 0;
  if (got < 0) return 1;
  text[got] = '\0';
  if (strstr(text, "quit")) return 0;
  if (strstr(text, "open")) *open = 1;
  if (strstr(text, "close")) *open = 0;
  if (strstr(text, "reset")) avr_reset(avr);
  if (strstr(text, "timers"))
    printf("timers %d %d %d %d\n", avr->data[TCCR1A], avr->data[TCCR1A + 1], avr->data[TCCR2A], avr->data[TCCR2A + 1]);
  if (strstr(text, "mark")) printf("mark\n"); /* last: it says that what was asked before it is done */
  interlock(avr, *open);
  return 1;
}

int main(int count, char **words) {
  elf_firmware_t firmware = {0};
  int slave, open = 0;
  char path[128];
  if (count != 2 || elf_read_firmware(words[1], &firmware) != 0) return 2;
  avr_t *avr = avr_make_mcu_by_name("atmega328p");
  if (avr == NULL || avr_init(avr) != 0) return 2;
  firmware.frequency = 16000000;
  avr_load_firmware(avr, &firmware);
  if (openpty(&master, &slave, path, NULL, NULL) != 0) return 2;
  struct termios raw;
  tcgetattr(slave, &raw);
  cfmakeraw(&raw);
  tcsetattr(slave, TCSANOW, &raw);
  fcntl(master, F_SETFL, O_NONBLOCK);
  fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
  setvbuf(stdout, NULL, _IOLBF, 0);

  uint32_t flags = 0;
  avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
  flags &= ~(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
  avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
  avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), sent, NULL);
  avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), hold, NULL);
  avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), go_on, NULL);
  avr_irq_t *input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
  interlock(avr, open);
  printf("pty %s\n", path);

  const double begun = seconds();
  const avr_cycle_count_t first = avr->cycle;
  avr_cycle_count_t next = 0;
  for (;;) {
    const int state = avr_run(avr);
    if (state == cpu_Done || state == cpu_Crashed) return 1;
    watch(avr);
    if (avr->cycle < next) continue;
    next = avr->cycle + avr->frequency / 2000; /* every half millisecond */
    unsigned char byte;
    while (may_send && read(master, &byte, 1) == 1) avr_raise_irq(input, byte);
    if (!obey(avr, &open)) return 0;
    const double ahead = (double)(avr->cycle - first) / avr->frequency - (seconds() - begun);
    if (ahead > 0) usleep(ahead * 1e6);
  }
}
