package main

import (
	"context"
	"errors"
	"fmt"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/services"
)

type queuesCommand struct {
	Check checkQueues `cmd:"" help:"List exchanges, queues and policies with which events can be lost."`
	Move  moveQueues  `cmd:"" help:"Replace queues with other arguments, and move their events into the new ones."`
}

type brokerFlags struct {
	AMQP string `name:"amqp" env:"AMQP_URL" required:"" placeholder:"URL" help:"RabbitMQ, as a user who may declare exchanges and queues: amqp://user:password@host:5672/vhost."`
}

// topology returns the topology, which is the same for every service.
func topology() bus.Topology {
	for _, s := range services.All {
		if s.Topology != nil {
			return s.Topology
		}
	}
	return nil
}

type checkQueues struct {
	brokerFlags
	Management string `env:"RABBITMQ_MANAGEMENT_URL" placeholder:"URL" help:"RabbitMQ's management API, which shows policies: http://user:password@host:15672; default: policies are not checked."`
}

// Run prints what differs, and fails if anything does.
func (c checkQueues) Run(ctx context.Context) error {
	differences, err := rabbit.Check(c.AMQP, topology())
	if err == nil && c.Management != "" {
		var policies []string
		policies, err = rabbit.CheckPolicies(ctx, c.Management, c.AMQP, topology())
		differences = append(differences, policies...)
	}
	if err != nil {
		return err
	}
	for _, difference := range differences {
		fmt.Println(difference)
	}
	if len(differences) > 0 {
		return errors.New("the broker is not as the services need it")
	}
	fmt.Println("exchanges and queues are as the services need them")
	if c.Management == "" {
		fmt.Println("policies were not checked: give --management")
	}
	return nil
}

type moveQueues struct{ brokerFlags }

// Run moves the events of each queue with other arguments. It may be interrupted and run
// again.
func (c moveQueues) Run(ctx context.Context) error {
	steps := 0
	progress := newProgress("messages", false)
	defer progress.end()
	err := rabbit.Move(ctx, c.AMQP, topology(), func(what string) {
		steps++
		progress.end()
		fmt.Println(what)
	}, func(messages int) { progress.show(int64(messages), 0) })
	if err == nil && steps == 0 {
		fmt.Println("every queue has the right arguments: nothing to do")
	}
	return err
}
