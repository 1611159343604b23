#include "client/opts.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct opt *opts_find(const struct opt *table, const char *name, size_t len)
{
    for (const struct opt *o = table; o->name != NULL; o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static const struct opt *opts_letter(const struct opt *table, char letter)
{
    for (const struct opt *o = table; o->name != NULL; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static int opts_set(const struct opt *o, const char *value, struct err *err)
{
    struct opt_list *list = o->to;

    switch (o->kind) {
    case OPT_FLAG:
        if (!str_eq(value, "true") && !str_eq(value, "false"))
            return err_set(err, ERR_INVALID, "--%s: \"%s\" is neither true nor false", o->name,
                           value);
        *(bool *)o->to = str_eq(value, "true");
        return 0;
    case OPT_TEXT:
    case OPT_MAYBE: *(const char **)o->to = value; return 0;
    case OPT_NUMBER:
        if (!str_i64(value, o->to))
            return err_set(err, ERR_INVALID, "--%s: \"%s\" is not a number", o->name, value);
        return 0;
    case OPT_LIST:
        if (list->n + 1 == N_ELEMENTS(list->values))
            return err_set(err, ERR_INVALID, "--%s: given too often", o->name);
        list->values[list->n++] = value;
        list->values[list->n] = NULL;
        return 0;
    }
    return 0;
}

/* "-it": each letter is a flag of its own. */
static bool opts_are_letters(const struct opt *table, const char *arg)
{
    const char *s = arg + 1;

    if (*arg != '-' || *s == '-' || s[0] == '\0' || s[1] == '\0')
        return false;
    for (; *s != '\0'; s++) {
        const struct opt *o = opts_letter(table, *s);

        if (o == NULL || o->kind != OPT_FLAG)
            return false;
    }
    return true;
}

static void opts_take_letters(const struct opt *table, const char *arg)
{
    for (const char *s = arg + 1; *s != '\0'; s++)
        *(bool *)opts_letter(table, *s)->to = true;
}

/* One flag at argv[*i]; moves *i past its value. */
static int opts_take(const struct opt *table, int argc, char **argv, int *i, struct err *err)
{
    char *arg = argv[*i];
    char *equals = strchr(arg, '=');
    bool is_long = str_starts(arg, "--");
    const struct opt *o;
    const char *value = NULL;

    if (is_long) {
        size_t len = equals != NULL ? (size_t)(equals - arg - 2) : strlen(arg + 2);

        o = opts_find(table, arg + 2, len);
        value = equals != NULL ? equals + 1 : NULL;
    } else {
        o = opts_letter(table, arg[1]);
        value = arg[2] == '=' ? arg + 3 : arg[2] != '\0' ? arg + 2 : NULL;
    }
    if (o == NULL)
        return err_set(err, ERR_INVALID, "unknown flag: %s", arg);
    if (o->kind == OPT_FLAG)
        return opts_set(o, value != NULL ? value : "true", err);
    if (o->kind == OPT_MAYBE)
        return opts_set(o, value != NULL ? value : "", err);
    if (value == NULL && *i + 1 >= argc)
        return err_set(err, ERR_INVALID, "%s needs a value: %s", arg, o->value);
    return opts_set(o, value != NULL ? value : argv[++*i], err);
}

int opts_parse(const struct opt *table, int argc, char **argv, int *ret_n, struct err *err)
{
    int n = 0;
    int rc = 0;

    for (int i = 0; i < argc && rc == 0; i++) {
        if (str_eq(argv[i], "--")) {
            while (++i < argc)
                argv[n++] = argv[i];
        } else if (str_eq(argv[i], "--help") ||
                   (str_eq(argv[i], "-h") && opts_letter(table, 'h') == NULL)) {
            return OPTS_HELP;
        } else if (opts_are_letters(table, argv[i])) {
            opts_take_letters(table, argv[i]);
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            rc = opts_take(table, argc, argv, &i, err);
        } else {
            argv[n++] = argv[i];
        }
    }
    *ret_n = n;
    return rc;
}

void opts_print(const struct opt *table)
{
    for (const struct opt *o = table; o->name != NULL; o++) {
        char left[48];

        snprintf(left, sizeof(left), "%s%c%s--%s %s", o->letter != 0 ? "-" : "",
                 o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "   ", o->name,
                 o->value != NULL ? o->value : "");
        printf("  %-34s %s\n", left, o->help);
    }
}
