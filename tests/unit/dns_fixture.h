/* dns_fixture: a zone of a few Services of each sort. */
#ifndef TESTS_UNIT_DNS_FIXTURE_H
#define TESTS_UNIT_DNS_FIXTURE_H

#include "base/mem.h"
#include "base/text.h"
#include "net/dns_zone.h"
#include "tests/lib/test.h"

#include <string.h>

static inline struct dns_zone *dns_fixture_zone(void)
{
    static const char services[] =
        "[{'metadata':{'name':'web','namespace':'shop'},'spec':{'clusterIP':'10.96.0.5','ports':"
        "[{'name':'http','port':80,'protocol':'TCP'},{'port':53,'protocol':'UDP'}]}},"
        "{'metadata':{'name':'db','namespace':'shop'},'spec':{'clusterIP':'None'}},"
        "{'metadata':{'name':'none','namespace':'shop'},'spec':{'clusterIP':'None'}},"
        "{'metadata':{'name':'out','namespace':'shop'},'spec':{'type':'ExternalName',"
        "'externalName':'example.com'}},"
        "{'metadata':{'name':'dot','namespace':'shop'},'spec':{'type':'ExternalName',"
        "'externalName':'example.com.'}},"
        "{'metadata':{'name':'same','namespace':'shop'},'spec':{'type':'ExternalName',"
        "'externalName':'web.shop.svc.cluster.local'}},"
        "{'metadata':{'name':'lost','namespace':'shop'},'spec':{'type':'ExternalName',"
        "'externalName':'nobody.shop.svc.cluster.local'}},"
        "{'metadata':{'name':'ring','namespace':'shop'},'spec':{'type':'ExternalName',"
        "'externalName':'ring.shop.svc.cluster.local'}},"
        "{'metadata':{'name':'new','namespace':'shop'},'spec':{}}]";
    static const char slices[] =
        "[{'metadata':{'name':'db-x','namespace':'shop','labels':{'kubernetes.io/service-name':"
        "'db'}},'addressType':'IPv4','ports':[{'name':'sql','port':5432,'protocol':'TCP'}],"
        "'endpoints':[{'addresses':['10.244.1.2'],'hostname':'db-0','conditions':{'ready':true}},"
        "{'addresses':['10.244.2.3'],'conditions':{'ready':true}},"
        "{'addresses':['10.244.2.4'],'hostname':'db-1','conditions':{'ready':false}}]},"
        "{'metadata':{'name':'db-y','namespace':'other','labels':{'kubernetes.io/service-name':"
        "'db'}},'endpoints':[{'addresses':['10.244.9.9']}]}]";
    json_t *trees[2] = { NULL, NULL };
    const char *texts[2] = { services, slices };
    struct dns_zone *z;

    for (size_t i = 0; i < 2; i++) {
        cleanup(freep) char *copy = mem_str(texts[i]);
        struct err err = ERR_EMPTY;

        for (char *s = copy; *s != '\0'; s++)
            *s = *s == '\'' ? '"' : *s;
        if (json_parse(&trees[i], copy, strlen(copy), NULL, &err) < 0)
            test_failed(err.text, __FILE__, __LINE__);
    }
    z = dns_zone_new(trees[0], trees[1], "cluster.local");
    json_decref(trees[0]);
    json_decref(trees[1]);
    return z;
}

#endif
