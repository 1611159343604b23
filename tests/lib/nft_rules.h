/* nft_rules: what a module prints for nft, and whether nft takes it. */
#ifndef TESTS_LIB_NFT_RULES_H
#define TESTS_LIB_NFT_RULES_H

/* The real nft reads @rules and puts them into a network namespace of its own (as root only). */
void check_nft_takes(const char *rules);
/* The same, and each of @wanted (NULL-terminated) is in @rules, or with "!" before it is not. */
void check_nft_rules(const char *rules, const char *const *wanted);

#endif
