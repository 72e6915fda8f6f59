package synth

import (
	"encoding/binary"
	"math/bits"

	"rescore/partition/schema"

	"github.com/apache/arrow/go/v15/arrow"
)

// Integer is the type of a column's values.
type Integer interface {
	uint8 | int16 | int32 | uint32 | int64 | uint64
}

// Vector is one column of a batch. Valid is an Arrow validity bitmap, least
// significant bit first; the value under a null is 0.
type Vector[T Integer] struct {
	Values []T
	Valid  []byte
}

// Nulls counts the nulls of the first n rows.
func (v *Vector[T]) Nulls(n int) int { return n - ones(v.Valid, n) }

// Null reports whether row i is null.
func (v *Vector[T]) Null(i int) bool { return v.Valid[i>>3]>>(i&7)&1 == 0 }

// size makes room for n rows; the columns' contents are then undefined.
func (v *Vector[T]) size(n int) {
	if cap(v.Values) < n {
		room := n + n/8 // dirt rows come and go
		v.Values = make([]T, room)
		v.Valid = make([]byte, (room+7)/8)
	}
	v.Values = v.Values[:n]
	v.Valid = v.Valid[:(n+7)/8]
}

// Every row is put or made null once after reset; values are not cleared before.
func (v *Vector[T]) put(i int, x T) { v.Values[i] = x }

func (v *Vector[T]) null(i int) {
	v.Values[i] = 0
	v.Valid[i>>3] &^= 1 << (i & 7)
}

// vanish makes n rows from at on null, for columns that few rows have; give
// takes one back. At is a multiple of the block.
func (v *Vector[T]) vanish(at, n int) {
	clear(v.Values[at : at+n])
	clear(v.Valid[at/8 : (at+n+7)/8])
}

func (v *Vector[T]) give(i int, x T) {
	v.Values[i] = x
	v.Valid[i>>3] |= 1 << (i & 7)
}

func (v *Vector[T]) reset() {
	valid := v.Valid
	for ; len(valid) >= 8; valid = valid[8:] {
		binary.LittleEndian.PutUint64(valid, ^uint64(0))
	}
	for i := range valid {
		valid[i] = 0xff
	}
	if n := len(v.Values); n&7 != 0 {
		v.Valid[len(v.Valid)-1] = 1<<(n&7) - 1
	}
}

// Dirt reports whether row i is a dirt row.
func (b *Batch) Dirt(i int) bool { return b.rows[i].kind != clean }

// Labels appends the numbers and labels of the batch's subscribers, as
// Base.Labels does for the same range.
func (b *Batch) Labels(numbers []uint64, churned []uint8) ([]uint64, []uint8) {
	for i, r := range b.rows {
		if r.label != unlabelled {
			numbers = append(numbers, b.msisdn.Values[i])
			churned = append(churned, r.label-stays)
		}
	}
	return numbers, churned
}

func ones(valid []byte, n int) int {
	count, whole := 0, valid[:n>>3]
	for ; len(whole) >= 8; whole = whole[8:] {
		count += bits.OnesCount64(binary.LittleEndian.Uint64(whole))
	}
	for _, w := range whole {
		count += bits.OnesCount8(w)
	}
	if n&7 != 0 {
		count += bits.OnesCount8(valid[n>>3] & (1<<(n&7) - 1))
	}
	return count
}

// Column names a vector of a batch.
type Column struct {
	Name   string        // flat name, fee_m0
	Source schema.Column // the canonical column
	Month  int           // months back; 0 too for a column that is not monthly
	Vector any           // *Vector of the canonical type; dates are int32 days since 1970
}

type months[T Integer] [schema.Months]*Vector[T]

// Batch is rows of the canonical record as a structure of arrays. It belongs to
// its caller and is reused by Fill; it grows to the largest Fill and then
// allocates no more.
type Batch struct {
	Len     int      // rows, dirt rows included
	Columns []Column // in the order of schema.Subscriber, months newest first
	Planted Planted  // what the last Fill planted

	msisdn                                                              *Vector[uint64]
	serviceType, payMode, complaintResult, vipClass, vipGrade           *Vector[uint8]
	bbStatus, sex                                                       *Vector[uint8]
	activation, complaintDate, contractEnd                              *Vector[int32]
	tenureMonths, birthYear                                             *Vector[int16]
	balance, arrears                                                    *Vector[int64]
	eventFlags, cityCode                                                *Vector[uint32]
	groupID                                                             *Vector[uint64]
	faultCnt30d                                                         *Vector[int16]
	complaintTags, complaintJustified, silentClass, cityCnt             *Vector[uint8]
	lifecyclePrev, causeConfirmed                                       *Vector[uint8]
	brand, status                                                       months[uint8]
	fee, rechargeFen, outSec, inSec, dataKB, roamSec, ldSec, otherLDSec months[int64]
	bbFlow                                                              months[int64]
	rechargeCnt, outCnt, inCnt, smsCnt                                  months[int32]
	faultCnt, complaintCnt, suspendCnt, eloginCnt                       months[int16]
	imei                                                                months[uint64]
	cellCity                                                            months[uint32]

	rows     []row
	profiles [block]profile
	scratch
}

// block is how many rows are made at a time: their profiles stay in the first
// cache while the columns are written one after another.
const block = 128

// NewBatch returns an empty batch.
func NewBatch() *Batch {
	b := &Batch{}
	for _, c := range schema.Subscriber {
		for k, name := range c.Names() {
			b.Columns = append(b.Columns, Column{Name: name, Source: c, Month: k, Vector: newVector(c.Type)})
		}
	}
	one := func(name string) any { return b.column(name) }
	b.msisdn, b.groupID = one("msisdn").(*Vector[uint64]), one("group_id").(*Vector[uint64])
	b.serviceType, b.payMode = one("service_type").(*Vector[uint8]), one("pay_mode").(*Vector[uint8])
	b.complaintResult, b.sex = one("complaint_result").(*Vector[uint8]), one("sex").(*Vector[uint8])
	b.vipClass, b.vipGrade = one("vip_class").(*Vector[uint8]), one("vip_grade").(*Vector[uint8])
	b.bbStatus = one("bb_status").(*Vector[uint8])
	b.activation, b.complaintDate = one("activation_date").(*Vector[int32]), one("complaint_date").(*Vector[int32])
	b.contractEnd = one("contract_end").(*Vector[int32])
	b.tenureMonths, b.birthYear = one("tenure_months").(*Vector[int16]), one("birth_year").(*Vector[int16])
	b.balance, b.arrears = one("balance_fen").(*Vector[int64]), one("arrears_fen").(*Vector[int64])
	b.eventFlags, b.cityCode = one("event_flags").(*Vector[uint32]), one("city_code").(*Vector[uint32])
	b.faultCnt30d = one("fault_cnt_30d").(*Vector[int16])
	b.complaintTags, b.complaintJustified = one("complaint_tags").(*Vector[uint8]), one("complaint_justified").(*Vector[uint8])
	b.silentClass, b.cityCnt = one("silent_class").(*Vector[uint8]), one("city_cnt").(*Vector[uint8])
	b.lifecyclePrev, b.causeConfirmed = one("lifecycle_prev").(*Vector[uint8]), one("cause_confirmed").(*Vector[uint8])
	b.brand, b.status = monthly[uint8](b, "brand"), monthly[uint8](b, "status")
	b.fee, b.rechargeFen = monthly[int64](b, "fee"), monthly[int64](b, "recharge_fen")
	b.outSec, b.inSec, b.dataKB = monthly[int64](b, "out_sec"), monthly[int64](b, "in_sec"), monthly[int64](b, "data_kb")
	b.roamSec, b.ldSec = monthly[int64](b, "roam_sec"), monthly[int64](b, "ld_sec")
	b.otherLDSec, b.bbFlow = monthly[int64](b, "other_ld_sec"), monthly[int64](b, "bb_flow_kb")
	b.rechargeCnt, b.outCnt = monthly[int32](b, "recharge_cnt"), monthly[int32](b, "out_cnt")
	b.inCnt, b.smsCnt = monthly[int32](b, "in_cnt"), monthly[int32](b, "sms_cnt")
	b.faultCnt, b.complaintCnt = monthly[int16](b, "fault_cnt"), monthly[int16](b, "complaint_cnt")
	b.suspendCnt, b.eloginCnt = monthly[int16](b, "suspend_cnt"), monthly[int16](b, "elogin_cnt")
	b.imei, b.cellCity = monthly[uint64](b, "imei"), monthly[uint32](b, "cell_city_code")
	return b
}

func (b *Batch) column(name string) any {
	for _, c := range b.Columns {
		if c.Name == name {
			return c.Vector
		}
	}
	// Names stand in newBatch and nowhere else; every test that makes a batch asks
	// for all of them.
	panic("synth: the canonical record has no column " + name)
}

func monthly[T Integer](b *Batch, name string) (m months[T]) {
	c := schema.Must(schema.Subscriber, name)
	for k := range m {
		m[k] = b.column(c.At(k)).(*Vector[T])
	}
	return m
}

func newVector(t arrow.DataType) any {
	switch t.ID() {
	case arrow.UINT8:
		return new(Vector[uint8])
	case arrow.INT16:
		return new(Vector[int16])
	case arrow.INT32, arrow.DATE32:
		return new(Vector[int32])
	case arrow.UINT32:
		return new(Vector[uint32])
	case arrow.INT64:
		return new(Vector[int64])
	case arrow.UINT64:
		return new(Vector[uint64])
	}
	// Types stand in schema.Subscriber; every test that makes a batch asks for all.
	panic("synth: no vector for " + t.String())
}

// size makes room for n rows in every column, all of them valid.
func (b *Batch) size(n int) {
	b.Len = n
	for _, c := range b.Columns {
		switch v := c.Vector.(type) {
		case *Vector[uint8]:
			resize(v, n)
		case *Vector[int16]:
			resize(v, n)
		case *Vector[int32]:
			resize(v, n)
		case *Vector[uint32]:
			resize(v, n)
		case *Vector[int64]:
			resize(v, n)
		case *Vector[uint64]:
			resize(v, n)
		}
	}
}

func resize[T Integer](v *Vector[T], n int) {
	v.size(n)
	v.reset()
}
