// vcsim's main, which Debian's package of govmomi leaves out: main ADDRESS USER PASSWORD CERTIFICATE KEY
package main

import (
	"crypto/tls"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	address, user, password := os.Args[1], os.Args[2], os.Args[3]
	model := simulator.VPX()
	model.Datacenter = 2
	model.Datastore = 2
	model.Machine = 0
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(os.Args[4], os.Args[5])
	if err != nil {
		log.Fatal(err)
	}
	model.Service.Listen = &url.URL{Host: address, User: url.UserPassword(user, password)}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	model.Service.NewServer()
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	<-stopped
	model.Remove()
}
