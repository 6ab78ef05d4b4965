/* --curve: a run's loss in the terminal, in dots of Braille: two columns and four rows a character. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/llm-train/page.h"
#include "cmd/llm-train/run_log.h"

enum { ROWS = 16, LABELS = 9, WIDTH = 80, LEAST_WIDTH = 40, MOST_WIDTH = 240 };

struct axes_range {
    double low, high;
    int64_t steps;
};

struct canvas {
    int columns; /* characters */
    uint8_t *dots; /* [ROWS][columns] */
};

static int
terminal_width(void)
{
    struct winsize size;
    int width = WIDTH;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    return width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width;
}

/* (0, 0) is at the lower left. */
static void
set_dot(struct canvas *c, int x, int y)
{
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    int row = 4 * ROWS - 1 - y;

    if (x >= 0 && x < 2 * c->columns && row >= 0 && row < 4 * ROWS)
        c->dots[row / 4 * c->columns + x / 2] |= bits[row % 4][x % 2];
}

static int
height_of(const struct axes_range *a, double value)
{
    double share = a->high > a->low ? (value - a->low) / (a->high - a->low) : 0.5;

    return (int)lround(share * (4 * ROWS - 1));
}

static int
place_of(const struct canvas *c, const struct axes_range *a, int64_t step)
{
    return (int)(step * (2 * c->columns - 1) / a->steps);
}

/* From one step's dot to the next one's: a column of dots holds all values of the steps that fall on it. */
static void
draw_line(struct canvas *c, int x0, int y0, int x1, int y1)
{
    int n = x1 - x0 > abs(y1 - y0) ? x1 - x0 : abs(y1 - y0);

    for (int i = 0; i <= n; i++)
        set_dot(c, x0 + (x1 - x0) * i / (n ? n : 1), y0 + (y1 - y0) * i / (n ? n : 1));
}

static void
draw(struct canvas *c, const struct axes_range *a, const struct points *p)
{
    int x = place_of(c, a, p->data[0].step), y = height_of(a, p->data[0].value);

    for (size_t i = 0; i < p->len; i++) {
        int to_x = place_of(c, a, p->data[i].step), to_y = height_of(a, p->data[i].value);
        draw_line(c, x, y, to_x, to_y);
        x = to_x;
        y = to_y;
    }
}

static void
print_canvas(const struct canvas *c, const struct axes_range *a)
{
    struct str line = {0};

    for (int row = 0; row < ROWS; row++) {
        double value = a->high - (a->high - a->low) * row / (ROWS - 1);
        str_clear(&line);
        if (row % 5 == 0)
            str_addf(&line, "%*.4g │", LABELS - 2, value);
        else
            str_addf(&line, "%*s │", LABELS - 2, "");
        for (int x = 0; x < c->columns; x++)
            str_add_utf8(&line, 0x2800u + c->dots[row * c->columns + x]);
        printf("%s\n", line.data);
    }
    printf("%*s └", LABELS - 2, "");
    for (int x = 0; x < c->columns; x++)
        printf("─");
    printf("\n%*s  0%*lld\n", LABELS - 2, "", c->columns - 1, (long long)a->steps);
    str_release(&line);
}

static void
widen(struct axes_range *a, const struct series *s)
{
    for (size_t i = 0; s && i < s->points.len; i++) {
        a->low = fmin(a->low, s->points.data[i].value);
        a->high = fmax(a->high, s->points.data[i].value);
    }
}

static void
print_ends(const char *what, const struct series *s)
{
    const struct point *p = s->points.data;
    size_t n = s->points.len, least = 0;

    for (size_t i = 1; i < n; i++)
        if (p[i].value < p[least].value)
            least = i;
    printf("  %-16s %.4f at step %lld, %.4f at step %lld, least %.4f at step %lld\n", what, p[0].value,
           (long long)p[0].step, p[n - 1].value, (long long)p[n - 1].step, p[least].value, (long long)p[least].step);
}

static void
print_run(const struct run_log *r, const struct axes_range *a)
{
    struct canvas c = {.columns = terminal_width() - LABELS};
    const struct series *loss = run_log_series(r, "loss"), *valid = run_log_series(r, "valid/loss");

    c.dots = mem_zarray((size_t)(ROWS * c.columns), 1);
    draw(&c, a, &loss->points);
    printf("%s\n", r->name);
    print_canvas(&c, a);
    print_ends("loss", loss);
    if (valid && valid->points.len > 0)
        print_ends("validation loss", valid);
    free(c.dots);
}

int
curve_print(char **logs, int count)
{
    struct run_log *runs = mem_zarray((size_t)count + 1, sizeof *runs);
    struct axes_range a = {HUGE_VAL, -HUGE_VAL, 1};

    for (int i = 0; i < count; i++) {
        if (run_log_read(&runs[i], logs[i]) < 0)
            die_err();
        widen(&a, run_log_series(&runs[i], "loss"));
        a.steps = runs[i].steps > a.steps ? runs[i].steps : a.steps;
    }
    for (int i = 0; i < count; i++) {
        if (i > 0)
            printf("\n");
        print_run(&runs[i], &a);
        run_log_release(&runs[i]);
    }
    free(runs);
    return STATUS_OK;
}
