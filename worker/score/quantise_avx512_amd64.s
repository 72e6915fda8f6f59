// The quantiser of a forest with AVX-512. Written by hand; each function says which
// function of this package it is the twin of, and replay_test.go holds the two
// against each other.

#include "go_asm.h"
#include "textflag.h"

// BUCKET turns 8 values into the numbers of their buckets. NaN becomes 0.
#define BUCKET(x, y, bucket) \
	VMULPD Z16, x, y         \
	VADDPD Z17, y, y         \
	VMAXPD Z18, y, y         \
	VMINPD Z19, y, y         \
	VCVTTPD2DQ y, bucket

// func quantise512(bins *uint8, absent *plane, x *float64, eights int, s *scale)
//
// quantise, for eight values at a time. It marks NaN and infinities only.
TEXT ·quantise512(SB), NOSPLIT, $0-40
	MOVQ bins+0(FP), DI
	MOVQ absent+8(FP), AX
	MOVQ x+16(FP), SI
	MOVQ eights+24(FP), CX
	MOVQ s+32(FP), BX
	VBROADCASTSD scale_slope(BX), Z16
	VBROADCASTSD scale_offset(BX), Z17
	VPXORQ Z18, Z18, Z18
	MOVL $(const_buckets-1), R8
	VCVTSI2SDL R8, X19, X19
	VBROADCASTSD X19, Z19
	MOVL $255, R8
	VPBROADCASTD R8, Z20
	MOVL $1, R8
	VPBROADCASTD R8, Z21
	LEAQ scale_base(BX), R9
	LEAQ scale_threshold(BX), R10
	MOVQ scale_step(BX), R11
	MOVQ scale_near(BX), R13
	MOVQ scale_thresholds(BX), R12
	CMPQ R12, $4
	JGT  many

	// Few thresholds are counted, for eight values at a time.
	TESTQ CX, CX
	JZ    quantised

few:
	VMOVUPD (SI), Z0
	VPXORD  Y3, Y3, Y3
	MOVQ    R12, DX

count:
	VBROADCASTSD -8(R10)(DX*8), Z1
	VCMPPD  $0x1e, Z1, Z0, K3 // value > threshold
	VPADDD  Y21, Y3, K3, Y3
	DECQ    DX
	JNZ     count
	VFPCLASSPDZ $0x99, Z0, K4 // NaN, infinities
	KMOVB   K4, (AX)
	VPMOVDB Y3, (DI)
	ADDQ $64, SI
	ADDQ $8, DI
	INCQ AX
	DECQ CX
	JNZ  few
	JMP  quantised

many:
	TESTQ R13, R13
	JZ   more

	// One look at near, for sixteen values at a time.
	SUBQ $2, CX
	JLT  rest
	MOVQ $(1<<const_fraction), R8
	VCVTSI2SDQ R8, X22, X22
	VBROADCASTSD X22, Z22
	VMULPD Z22, Z16, Z23 // slope and offset of places
	VMULPD Z22, Z17, Z24
	MOVL $((1<<32)-(1<<(32-const_fraction))), R8
	VPBROADCASTD R8, Z25 // where the fraction stands in near
	VBROADCASTSD scale_left0(BX), Z26

sixteen:
	VMOVUPD (SI), Z0
	VMOVUPD 64(SI), Z1
	VMULPD Z23, Z0, Z2
	VMULPD Z23, Z1, Z3
	VADDPD Z24, Z2, Z2
	VADDPD Z24, Z3, Z3
	VMAXPD Z18, Z2, Z2 // NaN becomes 0
	VMAXPD Z18, Z3, Z3
	VCVTTPD2UDQ Z2, Y2 // too much becomes all ones
	VCVTTPD2UDQ Z3, Y3
	VINSERTI64X4 $1, Y3, Z2, Z2
	VPSRLD $const_fraction, Z2, Z3       // bucket
	VPSLLD $(32-const_fraction), Z2, Z2  // place in it
	KXNORW K1, K1, K1
	VPXORD Z4, Z4, Z4
	VPGATHERDD (R13)(Z3*4), K1, Z4
	VPCMPUD $6, Z4, Z2, K3 // place > threshold's
	VPXORD  Z4, Z2, Z5
	VPTESTNMD Z25, Z5, K4  // the same place
	VFPCLASSPDZ $0x99, Z0, K5 // NaN, infinities
	VFPCLASSPDZ $0x99, Z1, K6
	KMOVB  K5, (AX)
	KMOVB  K6, 1(AX)
	KORTESTW K4, K4
	JNZ  same

decided:
	VPADDD Z21, Z4, K3, Z4
	VPMOVDB Z4, (DI)
	ADDQ $128, SI
	ADDQ $16, DI
	ADDQ $2, AX
	SUBQ $2, CX
	JGE  sixteen
	JMP  rest

same:
	VCMPPD $4, Z26, Z0, K5 // not left0
	VCMPPD $4, Z26, Z1, K6
	KUNPCKBW K5, K6, K5
	KANDW  K5, K4, K4
	KORTESTW K4, K4
	JZ     decided
	VPANDD Z20, Z4, Z5
	VEXTRACTI64X4 $1, Z5, Y6
	KSHIFTRW $8, K4, K5
	VPXORD Z7, Z7, Z7
	VPXORD Z8, Z8, Z8
	KMOVW  K4, K1
	KMOVW  K5, K2
	VGATHERDPD (R10)(Y5*8), K1, Z7
	VGATHERDPD (R10)(Y6*8), K2, Z8
	VCMPPD $0x1e, Z7, Z0, K4, K4 // value > threshold
	VCMPPD $0x1e, Z8, Z1, K5, K5
	KUNPCKBW K4, K5, K4 // K5 on top
	KORW   K4, K3, K3
	JMP    decided

rest:
	ADDQ $2, CX

more:
	TESTQ CX, CX
	JZ   quantised

eight:
	VMOVUPD (SI), Z0
	BUCKET(Z0, Z1, Y2)
	KXNORB  K1, K1, K1
	VPXORD  Y3, Y3, Y3
	VPGATHERDD (R9)(Y2*1), K1, Y3
	VPANDD  Y20, Y3, Y3
	MOVQ    R11, DX

step:
	LEAQ    -8(R10)(DX*8), R12
	KXNORB  K2, K2, K2
	VPXORD  Z4, Z4, Z4
	VGATHERDPD (R12)(Y3*8), K2, Z4
	VPBROADCASTD DX, Y5
	VCMPPD  $0x1e, Z4, Z0, K3 // value > threshold
	VPADDD  Y5, Y3, K3, Y3
	SHRQ    $1, DX
	JNZ     step
	VFPCLASSPDZ $0x99, Z0, K4 // NaN, infinities
	KMOVB   K4, (AX)
	VPMOVDB Y3, (DI)
	ADDQ $64, SI
	ADDQ $8, DI
	INCQ AX
	DECQ CX
	JNZ  eight

quantised:
	VZEROUPPER
	RET
