// Package hdfs is a store.Store in a folder of a Hadoop file system. It is an optional
// build, which `go build -tags hdfs` makes; without the tag Open says so.
//
//	Create ─► create, exclusive, mode 0200 ─► blocks ─► complete ─► chmod 0644: it is there
//	Put    ─► the same; a name that is taken is waited for until it is whole
//	Adopt  ─► the same, of bytes that are read: HDFS has no second name for a file
//	Open   ─► stat ─► block readers, which hold every chunk to its CRC-32C
//
// # What is promised
//
// The namenode decides who creates a name: its create without the overwrite flag is
// atomic. Nothing is renamed, since this client's rename overwrites what it finds.
// A file under construction is seen by everybody, and after its writer was killed the
// namenode closes it with the bytes that had arrived. So a file is written with mode
// 0200, which nobody can read, and its mode is changed when it is complete: an object
// is absent or whole, never partial. A file without a right to read is no object.
//
// # What is not
//
// A process that is killed between create and chmod leaves a file that is no object
// and holds its name: an attempt's own name is never asked for again, but a Put of the
// same name ends in ErrUnfinished, which says what to remove. List shows such files
// when they are a day old, so that garbage collection finds them.
//
// Bytes are durable as HDFS has it: in the memory of the datanodes that acknowledged
// them, and on disk when these see fit, unless dfs.datanode.synconclose is set.
//
// A request whose answer is lost is asked again only where it changes nothing, and
// else is store.ErrUnavailable: it may have been carried out.
//
// There is no Kerberos here (ErrKerberos), and no short-circuit read: the datanode on
// the same machine is spoken to over TCP as any other.
package hdfs

import (
	"errors"
	"strings"
)

// Scheme begins the addresses of this store.
const Scheme = "hdfs://"

var (
	// ErrNotBuilt is returned by Open of a program that was built without HDFS.
	ErrNotBuilt = errors.New("this rescore was built without HDFS; build it with make build TAGS=hdfs, or go build -tags hdfs ./cmd/rescore")
	// ErrKerberos is returned for a cluster that asks for Kerberos.
	ErrKerberos = errors.New("the Hadoop configuration asks for Kerberos, which this store does not speak; mount HDFS through its NFS gateway, or give it an S3 endpoint, and name that path")
	// ErrUnfinished is returned for a name that a file holds which nobody finished.
	ErrUnfinished = errors.New("a file that was never finished holds the name; when its writer runs no more, remove it with hdfs dfs -rm")
)

// Split returns the cluster and the folder of an address: hdfs://namenode:8020/data is
// namenode:8020 and data. The cluster is a host and port, a host, the name of a
// nameservice of the Hadoop configuration, or nothing, for its fs.defaultFS.
func Split(address string) (cluster, folder string, ok bool) {
	rest, ok := strings.CutPrefix(address, Scheme)
	if !ok {
		return "", "", false
	}
	cluster, folder, _ = strings.Cut(rest, "/")
	return cluster, strings.Trim(folder, "/"), true
}
