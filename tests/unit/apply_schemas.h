/* apply_schemas: the types that the cases of test_apply*.c are about. */
#ifndef TESTS_UNIT_APPLY_SCHEMAS_H
#define TESTS_UNIT_APPLY_SCHEMAS_H

#define S_STR "{'type':'string'}"
#define S_NUM "{'type':'number'}"

#define S_LEAF                                                                           \
    "{'type':'object','properties':{'number':" S_NUM ",'string':" S_STR                  \
    ",'bool':{'type':'boolean'},'young':" S_STR                                          \
    ",'atom':{'type':'object','x-kubernetes-map-type':'atomic','properties':{'a':" S_STR \
    ",'b':" S_STR "}},'list':{'type':'array','items':" S_STR "}}}"
#define S_LEAF_2                                                        \
    "{'type':'object','properties':{'number':" S_NUM ",'string':" S_STR \
    ",'bool':{'type':'boolean'},'old':" S_STR "}}"

#define S_SET                                                              \
    "{'type':'object','properties':{'list':{'type':'array','items':" S_STR \
    ",'x-kubernetes-list-type':'set'}}}"

#define S_ITEM \
    "{'type':'object','properties':{'name':" S_STR ",'value':" S_NUM ",'more':" S_STR "}}"
#define S_KEYED(item)                                                                       \
    "{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['name']," \
    "'items':" item "}"
#define S_MAPS "{'type':'object','properties':{'list':" S_KEYED(S_ITEM) "}}"
/* Two keys, one of them with a default. */
#define S_PORTS                                                                     \
    "{'type':'object','properties':{'ports':{'type':'array',"                       \
    "'x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['port','proto']," \
    "'items':{'type':'object','properties':{'port':" S_NUM                          \
    ",'proto':{'type':'string','default':'TCP'},'name':" S_STR "}}}}}"

#define S_NESTED                                                                                   \
    "{'type':'object','properties':{"                                                              \
    "'lists':" S_KEYED(                                                                            \
        "{'type':'object','properties':{'name':" S_STR ",'value':{'type':'array','items':" S_STR   \
        ",'x-kubernetes-list-type':'set'}}}") ","                                                  \
                                              "'maps':" S_KEYED(                                   \
                                                  "{'type':'object','properties':{'name':" S_STR   \
                                                  ",'value':{'type':'object','"                    \
                                                  "additionalProperties':" S_STR                   \
                                                  "}}}") ","                                       \
                                                         "'mapOfLists':{'type':'object','"         \
                                                         "additionalProperties':{'type':'array','" \
                                                         "items':" S_STR                           \
                                                         ",'x-kubernetes-list-type':'set'}},"      \
                                                         "'mapOfMaps':{'type':'object','"          \
                                                         "additionalProperties':{'type':'object'," \
                                                         "'additionalProperties':" S_STR "}},"     \
                                                         "'struct':{'type':'object','properties':" \
                                                         "{'name':" S_STR ",'value':" S_NUM "}}}}"

#define S_ANY "{'type':'object','x-kubernetes-preserve-unknown-fields':true}"

#define S_GRANULAR                                                                               \
    "{'type':'object','properties':{'m':{'type':'object','properties':{'a':" S_STR ",'b':" S_STR \
    "}},'l':" S_KEYED(S_ITEM) "}}"
#define S_ATOMIC                                                                                \
    "{'type':'object','properties':{'m':{'type':'object','x-kubernetes-map-type':'atomic',"     \
    "'properties':{'a':" S_STR ",'b':" S_STR "}},'l':{'type':'array','x-kubernetes-list-type':" \
    "'atomic','items':" S_ITEM "}}}"

#endif
