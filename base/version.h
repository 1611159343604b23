/* version: what this program calls itself, and the Kubernetes it speaks. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define MKUBE_VERSION            "0.1.0"
#define MKUBE_KUBERNETES_MAJOR   "1"
#define MKUBE_KUBERNETES_MINOR   "32"
#define MKUBE_KUBERNETES_VERSION "v1.32.0+mkube." MKUBE_VERSION

#endif
