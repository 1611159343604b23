/* layer: base */
#include "tests/lib/test.h"

/* Apart from test.c, so that a program with a main() of its own can use the checks. */
int main(int argc, char **argv)
{
    return test_main(argc, argv);
}
