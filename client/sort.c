#include "client/sort.h"

#include "api/quantity.h"
#include "base/mem.h"
#include "client/template.h"

#include <ctype.h>
#include <string.h>

struct sort_item {
    json_t *item;        /* owned */
    const json_t *field; /* borrowed; NULL: it has none */
    size_t at;           /* where it stood */
};

int sort_natural(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t zeros_a = strspn(a, "0"), zeros_b = strspn(b, "0");
            size_t n = strspn(a += zeros_a, "0123456789"), m = strspn(b += zeros_b, "0123456789");
            int c = n != m ? (n < m ? -1 : 1) : strncmp(a, b, n);

            if (c != 0 || zeros_a != zeros_b)
                return c != 0 ? c : zeros_a < zeros_b ? -1 : 1;
            a += n;
            b += m;
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int sort_texts(const char *a, const char *b)
{
    struct quantity x, y;

    if (quantity_parse(a, &x) && quantity_parse(b, &y))
        return quantity_cmp(x, y);
    return sort_natural(a, b);
}

static int sort_fields(const json_t *a, const json_t *b)
{
    cleanup(text_fini) struct text x = TEXT_EMPTY;
    cleanup(text_fini) struct text y = TEXT_EMPTY;

    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    if (json_is_number(a) && json_is_number(b)) {
        double d = json_number_value(a) - json_number_value(b);

        return d < 0 ? -1 : d > 0;
    }
    template_value(&x, a);
    template_value(&y, b);
    return sort_texts(text_str(&x), text_str(&y));
}

static int sort_cmp(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;
    int c = sort_fields(x->field, y->field);

    return c != 0 ? c : x->at < y->at ? -1 : x->at > y->at;
}

int sort_by(json_t *items, const char *path, const char *within, struct err *err)
{
    size_t n = json_array_size(items), found = 0;
    struct sort_item *order;
    struct jsonpath *p = NULL;
    int rc = template_path(&p, path, err);

    if (rc < 0)
        return rc;
    order = MEM_NEW_ARRAY(struct sort_item, n + 1);
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_array_get(items, i);

        order[i] = (struct sort_item){ .item = json_incref(item), .at = i };
        order[i].field = jsonpath_find(p, within != NULL ? json_at(item, within) : item);
        found += order[i].field != NULL ? 1 : 0;
    }
    if (n > 0 && found == 0) {
        rc = err_set(err, ERR_INVALID,
                     "couldn't find any field with path \"%s\" in the list of objects", path);
    } else {
        qsort(order, n, sizeof(*order), sort_cmp);
        json_array_clear(items);
        for (size_t i = 0; i < n; i++)
            json_array_append(items, order[i].item);
    }
    for (size_t i = 0; i < n; i++)
        json_decref(order[i].item);
    free(order);
    jsonpath_free(p);
    return rc;
}
