// What operators do with client-go: shared informers, leader election, apply configurations,
// dynamic clients, protobuf.  Prints a line for each thing that held; the first that does not ends it.
package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

func must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		os.Exit(1)
	}
}

func check(ok bool, format string, args ...any) {
	if !ok {
		must(fmt.Errorf(format, args...))
	}
}

func held(what string) { fmt.Printf("held: %s\n", what) }

func until(what string, condition func() bool) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if condition() {
			return
		}
	}
	must(fmt.Errorf("%s did not come", what))
}

func configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"from": "go"}}, Data: data}
}

type world struct {
	ctx       context.Context
	config    *rest.Config
	clients   kubernetes.Interface
	namespace string
}

func (w world) objects() {
	maps := w.clients.CoreV1().ConfigMaps(w.namespace)
	_, err := maps.Create(w.ctx, configMap("a", map[string]string{"x": "1"}), metav1.CreateOptions{})
	must(err)
	_, err = maps.Create(w.ctx, configMap("a", nil), metav1.CreateOptions{})
	check(apierrors.IsAlreadyExists(err), "a second create: %v", err)
	_, err = maps.Get(w.ctx, "nobody", metav1.GetOptions{})
	check(apierrors.IsNotFound(err), "nobody: %v", err)
	must(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		now, err := maps.Get(w.ctx, "a", metav1.GetOptions{})
		must(err)
		now.Data["x"] = "2"
		_, err = maps.Update(w.ctx, now, metav1.UpdateOptions{})
		return err
	}))
	held("create, get, update")
}

func (w world) apply() {
	maps := w.clients.CoreV1().ConfigMaps(w.namespace)
	wanted := func(value string) *applycorev1.ConfigMapApplyConfiguration {
		return applycorev1.ConfigMap("applied", w.namespace).WithData(map[string]string{"k": value})
	}
	_, err := maps.Apply(w.ctx, wanted("1"), metav1.ApplyOptions{FieldManager: "go"})
	must(err)
	_, err = maps.Apply(w.ctx, wanted("2"), metav1.ApplyOptions{FieldManager: "other"})
	check(apierrors.IsConflict(err), "another's apply: %v", err)
	now, err := maps.Apply(w.ctx, wanted("2"), metav1.ApplyOptions{FieldManager: "other", Force: true})
	must(err)
	owned, err := applycorev1.ExtractConfigMap(now, "go")
	must(err)
	check(len(owned.Data) == 0, "what was taken is still go's: %v", owned.Data)
	held("server-side apply, and what of it is whose")
}

func (w world) informer() {
	var added, updated, deleted atomic.Int32
	factory := informers.NewSharedInformerFactoryWithOptions(w.clients, 0, informers.WithNamespace(w.namespace))
	lister := factory.Core().V1().ConfigMaps().Lister().ConfigMaps(w.namespace)
	informer := factory.Core().V1().ConfigMaps().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	must(err)
	ctx, stop := context.WithCancel(w.ctx)
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		check(ok, "%v did not sync", kind)
	}
	before, err := lister.List(labels.Everything())
	must(err)
	maps := w.clients.CoreV1().ConfigMaps(w.namespace)
	for i := 0; i < 50; i++ {
		_, err := maps.Create(w.ctx, configMap(fmt.Sprintf("many-%d", i), nil), metav1.CreateOptions{})
		must(err)
	}
	until("50 more", func() bool {
		now, _ := lister.List(labels.Everything())
		return len(now) == len(before)+50
	})
	must(maps.DeleteCollection(w.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "from=go"}))
	until("51 deletions", func() bool { return deleted.Load() == 51 })
	stop()
	factory.Shutdown()
	held("a shared informer")
}

func (w world) pages() {
	maps := w.clients.CoreV1().ConfigMaps(w.namespace)
	for i := 0; i < 25; i++ {
		_, err := maps.Create(w.ctx, configMap(fmt.Sprintf("page-%02d", i), nil), metav1.CreateOptions{})
		must(err)
	}
	p := pager.New(pager.SimplePageFunc(func(opts metav1.ListOptions) (runtime.Object, error) {
		return maps.List(w.ctx, opts)
	}))
	p.PageSize = 10
	n := 0
	must(p.EachListItem(w.ctx, metav1.ListOptions{LabelSelector: "from=go"}, func(runtime.Object) error { n++; return nil }))
	check(n == 25, "%d of 25 came", n)
	held("a list in pages")
}

func (w world) dynamic() {
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(w.clients.Discovery()))
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"})
	must(err)
	client, err := dynamic.NewForConfig(w.config)
	must(err)
	list, err := client.Resource(mapping.Resource).Namespace("kube-system").List(w.ctx, metav1.ListOptions{})
	must(err)
	check(list.GetResourceVersion() != "", "a list without a version")
	held("discovery, a mapper, a dynamic client")
}

func (w world) lead() {
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, w.namespace, "leader", w.clients.CoreV1(),
		w.clients.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: "me"})
	must(err)
	ctx, stop := context.WithCancel(w.ctx)
	var leads atomic.Bool
	go leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{Lock: lock, LeaseDuration: 4 * time.Second,
		RenewDeadline: 3 * time.Second, RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { leads.Store(true) }, OnStoppedLeading: func() {}}})
	until("the lead", leads.Load)
	stop()
	held("leader election")
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	must(err)
	config.QPS, config.Burst = 500, 500
	typed := rest.CopyConfig(config)
	typed.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	typed.ContentType = "application/vnd.kubernetes.protobuf"
	w := world{context.Background(), config, kubernetes.NewForConfigOrDie(typed), os.Args[1]}
	w.objects()
	w.apply()
	w.informer()
	w.pages()
	w.dynamic()
	w.lead()
}
