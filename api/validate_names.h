/* validate_names: forms of names and other short texts, in Kubernetes' sentences.  Pure.
 *
 * Each returns NULL when the text is fine, else a static sentence.  Those that other layers ask
 * for as well (DNS labels, label keys and values) are declared in api/validate.h.
 */
#ifndef API_VALIDATE_NAMES_H
#define API_VALIDATE_NAMES_H

typedef const char *(*validate_text_fn)(const char *s);

const char *validate_path_segment(const char *s); /* RBAC names */
const char *validate_env_name(const char *s);
const char *validate_env_prefix(const char *s); /* envFrom prefix + key */
const char *validate_config_key(const char *s); /* keys of ConfigMaps and Secrets */
const char *validate_port_name(const char *s);  /* IANA service name */
const char *validate_cron_job_name(const char *s);
const char *validate_wildcard_subdomain(const char *s); /* "*.example.com" */
const char *validate_ip(const char *s);
const char *validate_ipv4(const char *s);
const char *validate_ipv6(const char *s);
const char *validate_cidr(const char *s);
const char *validate_http_header_name(const char *s);
const char *validate_any_name(const char *s); /* never finds anything wrong */

#endif
